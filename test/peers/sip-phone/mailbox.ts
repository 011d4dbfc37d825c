/** Things that came and that a test will ask for, in order. */
export class Mailbox<T> {
  readonly #what: string;
  readonly #waiting: T[] = [];
  readonly #askers: ((item: T) => void)[] = [];

  constructor(what: string) {
    this.#what = what;
  }

  put(item: T): void {
    const asker = this.#askers.shift();
    if (asker) asker(item);
    else this.#waiting.push(item);
  }

  /** The next one, or an error with `context()` when none comes in time. */
  next(deadlineMs: number, context: () => string = () => ""): Promise<T> {
    const ready = this.#waiting.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    return new Promise((resolve, reject) => {
      const asker = (item: T) => {
        clearTimeout(timer);
        resolve(item);
      };
      const timer = setTimeout(() => {
        this.#askers.splice(this.#askers.indexOf(asker), 1);
        reject(new Error(`no ${this.#what} within ${deadlineMs} ms\n${context()}`));
      }, deadlineMs);
      this.#askers.push(asker);
    });
  }
}
