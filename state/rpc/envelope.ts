type RpcMethod = "GET" | "PUT" | "POST" | "PATCH" | "DELETE";

export interface RpcRequest {
  readonly method: RpcMethod;
  /** Resource path, `/legs/<id>`. */
  readonly path: string;
  readonly body: unknown;
}

/** A request as it lies in an inbox. */
export interface RequestEnvelope {
  readonly request: RpcRequest;
  /** Who waits for the reply, under which number, and until when, epoch ms; without it nobody does. */
  readonly reply?: { readonly to: string; readonly id: string; readonly expires: number };
}

/** A reply as it is published. */
export type ReplyEnvelope =
  | { readonly id: string; readonly ok: true; readonly value: unknown }
  | {
      readonly id: string;
      readonly ok: false;
      readonly code: string;
      readonly detail: string;
      readonly context: Readonly<Record<string, unknown>>;
    };
