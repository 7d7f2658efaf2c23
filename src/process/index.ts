export { type AgentDefaults, agentDefaults } from "./agent-defaults.ts";
export type { ProcessEnd } from "./end-status.ts";
export type { ChildProperties } from "./inherited-properties.ts";
export type { InputKind, InputPlace } from "./input.ts";
export type { Process } from "./process.ts";
export type { ProcessLimits } from "./process-limits.ts";
export { clip, identityOf } from "./process-log.ts";
export {
  DEFAULTS,
  type ProcessSelector,
  ProcessTable,
  type ProcessTableOptions,
} from "./process-table.ts";
export type { PtySize } from "./pty.ts";
export type { OutputPolicy, StartRequest } from "./start-request.ts";
export type { Latencies, ProcessStatistics } from "./statistics.ts";
export { startTimer } from "./timer.ts";
export { checkUser } from "./user.ts";
