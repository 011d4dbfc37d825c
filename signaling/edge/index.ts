export { legIdOf, newCallId } from "./engine/ids.ts";
export { openEdge, type Edge, type EdgeOptions } from "./open-edge.ts";
export { startEdge } from "./start-edge.ts";
export { CALLEE as REHEARSED_CALLEE } from "./rehearsal/rehearsed-call.ts";
export { rehearse } from "./rehearsal/rehearse.ts";
