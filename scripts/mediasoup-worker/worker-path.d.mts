/** Path of the worker binary: `MEDIASOUP_WORKER_BIN` when set, else the cached one. It need not exist yet. */
export function workerPath(environment?: Readonly<Record<string, string | undefined>>): string;
