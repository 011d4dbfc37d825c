import type { Config } from "#common/config.ts";
import type { FloorRequest, GroupEvent, GroupSnapshot, LegRequest } from "#common/media-control.ts";

/** What a media process asks of one of its threads. */
export type Command =
  | { readonly do: "put-leg"; readonly leg: string; readonly request: LegRequest }
  | { readonly do: "delete-leg"; readonly leg: string }
  | { readonly do: "digit"; readonly leg: string; readonly digit: string }
  | { readonly do: "floor"; readonly request: FloorRequest }
  | { readonly do: "snapshot"; readonly group: string }
  | { readonly do: "metrics" }
  | { readonly do: "close" };

export interface ThreadRequest {
  readonly id: number;
  readonly command: Command;
}

/** An answer, or news. */
export type ThreadMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | {
      readonly kind: "failure";
      readonly id: number;
      readonly code: string;
      readonly message: string;
      readonly context: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: "event"; readonly event: GroupEvent }
  | { readonly kind: "changed"; readonly snapshot: GroupSnapshot }
  /** The group has nobody any more and is forgotten. */
  | { readonly kind: "group-gone"; readonly group: string }
  /** The leg is forgotten. */
  | { readonly kind: "leg-gone"; readonly leg: string; readonly group: string };

/** What a thread is started with. */
export interface ThreadData {
  readonly config: Config;
  readonly instance: string;
  readonly index: number;
  /** Its share of the UDP ports, both ends included. */
  readonly ports: { readonly from: number; readonly to: number };
}

/** A group that nobody is in. */
export const emptyGroup = (group: string): GroupSnapshot => ({
  group,
  floor: { state: "idle", seq: 0 },
  participants: [],
  talking: [],
});
