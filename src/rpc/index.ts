export { ClientActivity, type ClientStatistics } from "./client-activity.ts";
export { createRpcAnswer, type RpcAnswerOptions } from "./rpc-answer.ts";
export type { RpcLimits } from "./rpc-limits.ts";
export { ServingState, type Stopping } from "./serving-state.ts";
