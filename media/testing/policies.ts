import type { GroupPolicy } from "#common/media-control.ts";

/** A half-duplex group as tests need it: short hang time, phones press `*` and `#`. */
export const halfDuplex = (id: string, changes: Partial<GroupPolicy> = {}): GroupPolicy => ({
  id,
  name: id,
  mode: "half-duplex",
  maxTalkMs: 60_000,
  hangMs: 300,
  queue: false,
  phonePtt: "dtmf",
  ...changes,
});
export const fullDuplex = (id: string): GroupPolicy => halfDuplex(id, { mode: "full-duplex" });
