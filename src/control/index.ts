export { type ControlOptions, createControl } from "./control.ts";
export { Initialization, type InitializationState } from "./init.ts";
export type { UpgradeControl } from "./upgrade-request.ts";
