import type { Flow } from "#signaling/sip-port/sip-port.ts";
import type { StepContext } from "./draft.ts";

/** Our Contact: the cluster, never the instance, so that the next request of the dialog may meet any of them. */
export function contactOf(context: StepContext, { transport }: Flow, user?: string): string {
  const parameter = transport === "udp" ? "" : `;transport=${transport}`;
  return `<sip:${user === undefined ? "" : `${user}@`}${context.advertised(transport)}${parameter}>`;
}
