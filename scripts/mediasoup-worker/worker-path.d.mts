type Environment = Readonly<Record<string, string | undefined>>;

/** `${XDG_CACHE_HOME:-~/.cache}/crossband`. */
export function cacheHome(environment?: Environment): string;
/** Version of mediasoup that this checkout is pinned to. */
export function mediasoupVersion(): string;
/** Path of the worker binary: `MEDIASOUP_WORKER_BIN` when set, else the cached one. It need not exist yet. */
export function workerPath(environment?: Environment): string;
