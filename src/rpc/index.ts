export { Records } from "./client-activity.ts";
export { createRpcAnswer, type RpcAnswerOptions } from "./rpc-answer.ts";
export { DEFAULT_RPC_LIMITS, type RpcLimits } from "./rpc-limits.ts";
export { createServerStatistics, type ServerStatistics } from "./server-statistics.ts";
export { ServingState } from "./serving-state.ts";
