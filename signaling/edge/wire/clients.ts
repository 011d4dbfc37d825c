/** One attached application. */
export interface WireClient {
  readonly id: string;
  /** Verbs it asked for; a set, because the client library sends all of them again each time. */
  readonly verbs: Set<string>;
  /** Writes a frame. False when the connection is gone or does not read. */
  send(frame: string): boolean;
}

export interface WireClients {
  add(client: WireClient): void;
  remove(client: WireClient): void;
  byId(id: string): WireClient | undefined;
  /** The next one that asked for a verb, in turn. */
  next(verb: string): WireClient | undefined;
  readonly all: readonly WireClient[];
}

/** The applications attached to this process. */
export function createWireClients(): WireClients {
  let clients: readonly WireClient[] = [];
  const turns = new Map<string, number>();
  return {
    get all() {
      return clients;
    },
    add(client) {
      clients = [...clients, client];
    },
    remove(client) {
      clients = clients.filter((other) => other !== client);
    },
    byId: (id) => clients.find((client) => client.id === id),
    next(verb) {
      const able = clients.filter((client) => client.verbs.has(verb));
      if (able.length === 0) return undefined;
      const turn = (turns.get(verb) ?? 0) % able.length;
      turns.set(verb, turn + 1);
      return able[turn];
    },
  };
}
