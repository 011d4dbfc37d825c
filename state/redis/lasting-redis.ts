import { Redis, type RedisOptions } from "ioredis";

type SentCommand = Parameters<Redis["sendCommand"]>[0];

/** Wait before a connection that the library gave up is opened again, in ms. */
const AGAIN_MS = 50;

/**
 * A connection that lasts until `disconnect`. The library ends one for good when the news that a master was replaced comes
 * while it is asking the sentinels for that master: the process would live on without Redis.
 */
export class LastingRedis extends Redis {
  private unwanted?: true;
  private again?: NodeJS.Timeout;

  /** @param url when no sentinels are named in the options */
  constructor(options: Omit<RedisOptions, "replyMapping">, url?: string) {
    if (url === undefined) super(options);
    else super(url, options);
    this.on("end", () => {
      if (this.unwanted === true) return;
      this.again = setTimeout(() => {
        // What goes wrong is told as `error` and `end` again.
        if (this.unwanted !== true) this.connect().catch(() => undefined);
      }, AGAIN_MS);
    });
  }

  override disconnect(reconnect = false): void {
    if (!reconnect) {
      this.unwanted = true;
      clearTimeout(this.again);
    }
    super.disconnect(reconnect);
  }

  /** A command that waited for a connection longer than whoever gave it is not carried out behind his back. */
  override sendCommand(
    command: SentCommand,
    ...rest: [stream?: Parameters<Redis["sendCommand"]>[1]]
  ): unknown {
    if (command.isSettled) return command.promise;
    return super.sendCommand(command, ...rest);
  }
}
