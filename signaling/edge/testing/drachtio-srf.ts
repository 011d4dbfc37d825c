import { createRequire } from "node:module";

/** The part of drachtio-srf that a usual application uses; its own typings refuse most of it. */
export interface Message {
  method: string;
  uri: string;
  body: string;
  status: number;
  reason: string;
  stackDialogId: string;
  stackTxnId: string;
  protocol: string;
  source_address: string;
  source_port: number;
  receivedOn: string;
  res: Message;
  get(name: string): string;
  has(name: string): boolean;
  on(event: string, listener: (...values: never[]) => void): void;
  cancel(): void;
  proxy(options: object): Promise<ProxyResult>;
}
export interface ProxyResult {
  connected: boolean;
  finalStatus: number;
  responses: { msgs: { status: number }[] }[];
}
export interface Answer {
  send(status: number, ...more: unknown[]): void;
}
export interface Dialog {
  id: string;
  local: { sdp: string };
  remote: { sdp: string };
  sip: { localTag: string; remoteTag: string; callId: string };
  on(event: string, listener: (request: Message, answer: Answer) => void): void;
  destroy(): Promise<void>;
  modify(sdp: string): Promise<void>;
  request(options: object): Promise<Message>;
}
export type Middleware = (request: Message, answer: Answer) => void;
export interface Srf {
  readonly app: { readonly client: { readonly mapServer: ReadonlyMap<unknown, unknown> } };
  connect(options: object): void;
  listen(options: object): void;
  disconnect(): void;
  endSession(message: Message): void;
  on(event: "connect" | "error", listener: (error: Error | null, ...more: string[]) => void): void;
  on(event: string, listener: (...values: unknown[]) => void): void;
  use(method: string, middleware: Middleware): void;
  invite(middleware: Middleware): void;
  options(middleware: Middleware): void;
  message(middleware: Middleware): void;
  createUAS(request: Message, answer: Answer, options: object): Promise<Dialog>;
  createUAC(uri: string, options: object, progress?: object): Promise<Dialog>;
  createB2BUA(
    request: Message,
    answer: Answer,
    uri: string,
    options: object,
  ): Promise<{ uas: Dialog; uac: Dialog }>;
  proxyRequest(request: Message, targets: string | string[], options?: object): Promise<ProxyResult>;
  request(uri: string, options: object): Promise<Message>;
}
export const Srf = createRequire(import.meta.url)("drachtio-srf") as new (tags?: string[]) => Srf;

/** Detaches an application; one whose server is gone would throw. */
export function closeSrf(srf: Srf): void {
  if (srf.app.client.mapServer.size > 0) srf.disconnect();
}
