/** Counts something for /metrics, by reason. */
export type Count = (name: string, reason?: string) => void;
