/** What happened in a call and when, each thing once: for those who wait for it, and for the verdict afterwards. */
export class Milestones {
  private readonly times = new Map<string, number>();
  private readonly waiting = new Map<string, ((atMs: number) => void)[]>();

  reach(name: string): void {
    if (this.times.has(name)) return;
    const now = Date.now();
    this.times.set(name, now);
    for (const wake of this.waiting.get(name) ?? []) wake(now);
    this.waiting.delete(name);
  }

  at(name: string): number | undefined {
    return this.times.get(name);
  }

  /** @throws Lost when it has not happened within the limit */
  async wait(name: string, limitMs: number): Promise<void> {
    if (this.times.has(name)) return;
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        timer = setTimeout(() => {
          reject(new Lost(`no ${name} within ${limitMs} ms`));
        }, limitMs);
        this.waiting.set(name, [...(this.waiting.get(name) ?? []), () => { resolve(); }]); // prettier-ignore
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Milliseconds from one to the other; undefined unless both happened. */
  between(from: string, to: string): number | undefined {
    const [start, end] = [this.times.get(from), this.times.get(to)];
    return start === undefined || end === undefined ? undefined : end - start;
  }
}

/** Why a call is counted as lost. */
export class Lost extends Error {}
