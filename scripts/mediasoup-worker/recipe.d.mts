/** Source files relative to `worker/`, read from the package's own meson files. */
export function listSources(workerDir: string): string[];

export const PATCHES: readonly { readonly file: string; readonly from: string; readonly to: string }[];
