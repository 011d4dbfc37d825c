export { callCardOf, type CallCard } from "./call-card.ts";
export { findCall, type FoundCalls } from "./find-call.ts";
export { ladderOf, type Ladder, type LadderMark, type LadderMessage, type LadderParty } from "./ladder.ts";
