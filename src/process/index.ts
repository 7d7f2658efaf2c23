export { PROCESS_DEFAULTS } from "./defaults.ts";
export type { ProcessEnd } from "./end-status.ts";
export type { Generation } from "./generation.ts";
export type { InputKind, InputPlace } from "./io/input.ts";
export type { Process } from "./process.ts";
export { type AgentDefaults, agentDefaults } from "./start/agent-defaults.ts";
export type { ProcessLimits } from "./start/process-limits.ts";
export type { OutputPolicy, StartRequest } from "./start/start-request.ts";
export { checkUser } from "./start/user.ts";
export { identityOf } from "./table/process-log.ts";
export {
  type ProcessSelector,
  ProcessTable,
  type ProcessTableOptions,
} from "./table/process-table.ts";
export type { Latencies, ProcessStatistics } from "./table/statistics.ts";
