import { directionOf, receives, reverseOf, sends, type Direction, type Extension } from "./description.ts";

/** What an m-line is for. A `slot` shows some other member's camera; `rejected` keeps its place in the order for ever. */
export type LineRole = "audio" | "camera" | "slot" | "rejected";

export interface Line {
  readonly mid: string;
  readonly role: LineRole;
  /** SDP media type; of rejected lines too. */
  readonly kind: string;
  /** Where the browser's first offer numbered them; else those of our profile. */
  readonly extensions?: readonly Extension[];
  /** Of a rejected line that is not ours: its protocol and first format, which an answer repeats. */
  readonly rejected?: { readonly protocol: string; readonly format: string };
}

/** How many cameras of others a browser sees at once. An empty slot costs nothing but its lines in the description. */
const DEFAULT_SLOTS = 4;

/** The m-lines of our own offer: one sound line, the browser's camera, and slots for the cameras of others. */
export function offeredLayout(slots = DEFAULT_SLOTS): readonly Line[] {
  return [
    { mid: "0", role: "audio", kind: "audio" },
    { mid: "1", role: "camera", kind: "video" },
    ...Array.from({ length: slots }, (_, index): Line => ({
      mid: String(index + 2),
      role: "slot",
      kind: "video",
    })),
  ];
}

const mayOf: Readonly<Record<LineRole, Direction>> = {
  audio: "sendrecv",
  camera: "recvonly",
  slot: "sendonly",
  rejected: "inactive",
};

/** Our direction in an offer of ours. */
export const offeredDirection = (role: LineRole): Direction => mayOf[role];

/** Our direction in an answer: what the other end's leaves, of what the line is for. RFC 3264 §6.1. */
export function answeredDirection(role: LineRole, theirs: Direction): Direction {
  const may = mayOf[role];
  const left = reverseOf[theirs];
  return directionOf(sends(may) && sends(left), receives(may) && receives(left));
}
