export type { AgentState, SavedParts, UpgradeFailure } from "./agent-state.ts";
export { STATE_VARIABLE } from "./images.ts";
export { type Inheritance, takeInheritance } from "./inheritance.ts";
export { REHEARSAL_OPTION, readRehearsedState, reportRehearsal } from "./rehearsal.ts";
export { Upgrade, type UpgradeOptions, type UpgradeStatus } from "./upgrade.ts";
