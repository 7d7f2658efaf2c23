export { type AgentOutcome, runAgent } from "./agent.ts";
export type { CrashExits } from "./crash.ts";
export type { AgentSettings, CommandSettings } from "./settings.ts";
export { describeStartFailure } from "./start-failure.ts";
