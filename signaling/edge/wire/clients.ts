/** One attached application. */
export interface WireClient {
  readonly id: string;
  /** What it calls itself; empty when it did not say. */
  readonly tags: readonly string[];
  /** Where we connected to; undefined when it connected to us. */
  readonly uri?: string | undefined;
  /** Verbs it asked for; a set, because the client library sends all of them again each time. */
  readonly verbs: ReadonlySet<string>;
  /** Writes a frame. False when the connection is gone or does not read. */
  send(frame: string): boolean;
}

export interface WireClients {
  add(client: WireClient): void;
  remove(client: WireClient): void;
  byId(id: string): WireClient | undefined;
  /** The next one that asked for a verb, in turn; of those with all these tags when any are given. */
  next(verb: string, tags?: readonly string[]): WireClient | undefined;
  readonly all: readonly WireClient[];
}

/** The applications attached to this process. */
export function createWireClients(): WireClients {
  const clients = new Map<string, WireClient>();
  const turns = new Map<string, number>();
  return {
    get all() {
      return [...clients.values()];
    },
    add(client) {
      clients.set(client.id, client);
    },
    remove(client) {
      clients.delete(client.id);
    },
    byId: (id) => clients.get(id),
    next(verb, tags = []) {
      const able: WireClient[] = [];
      for (const client of clients.values())
        if (client.verbs.has(verb) && tags.every((tag) => client.tags.includes(tag))) able.push(client);
      if (able.length === 0) return undefined;
      const turn = (turns.get(verb) ?? 0) % able.length;
      turns.set(verb, turn + 1);
      return able[turn];
    },
  };
}
