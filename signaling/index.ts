import type { RoleContext, RoleHandle } from "#state/instance/role.ts";
import { startWithEdge } from "./start-with-edge.ts";

/** Starts the signaling role: with a SIP server of its own, or on a drachtio server elsewhere (`sip.server`). */
export async function startSignaling(context: RoleContext): Promise<RoleHandle> {
  if (context.config.sip.server === "in-process") return startWithEdge(context);
  // drachtio-srf is loaded only where it is used.
  return (await import("./calls/drachtio/start-on-remote-edge.ts")).startOnRemoteEdge(context);
}
