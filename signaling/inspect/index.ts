export { callCardOf, type CallCard } from "./call-card.ts";
export { findCall } from "./find-call.ts";
export { ladderOf, type Ladder, type LadderMark, type LadderMessage, type LadderParty } from "./ladder.ts";
