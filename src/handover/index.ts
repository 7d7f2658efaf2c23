export type { AgentState, SavedParts, UpgradeFailure } from "./agent-state.ts";
export { type Inheritance, takeInheritance } from "./inheritance.ts";
export { readRehearsedState, reportRehearsal } from "./rehearsal.ts";
export { Upgrade, type UpgradeOptions, type UpgradeStatus } from "./upgrade.ts";
