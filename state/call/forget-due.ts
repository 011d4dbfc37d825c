import { dueKey, type CallSpace } from "./call.keys.ts";

/** The one command that it needs. */
export interface ZremClient {
  zrem(key: string, member: string): Promise<number>;
}

/** Strikes a call whose record has gone from the due set. */
export async function forgetDue(redis: ZremClient, call: string, space: CallSpace = "call"): Promise<void> {
  await redis.zrem(dueKey(call, space), call);
}
