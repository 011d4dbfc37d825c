/** Numbers that are this little behind are late or doubled; further behind, the sender has restarted. */
const REORDER_WINDOW = 64;
/** A gap longer than this is a pause, not loss. */
const LOSS_WINDOW = 25;

export interface SequenceStep {
  readonly outcome: "next" | "restart" | "stale";
  /** Datagrams lost just before this one. */
  readonly skipped: number;
}

/** What a sequence number says after the last one that was taken. 0 is a restart without loss. */
export function sequenceStep(last: number | undefined, sequence: number): SequenceStep {
  if (last === undefined || sequence === 0) return { outcome: "restart", skipped: 0 };
  const ahead = (sequence - last) | 0;
  if (ahead <= 0)
    return ahead > -REORDER_WINDOW ? { outcome: "stale", skipped: 0 } : { outcome: "restart", skipped: 0 };
  return { outcome: "next", skipped: ahead - 1 > LOSS_WINDOW ? 0 : ahead - 1 };
}
