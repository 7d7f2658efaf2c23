export { ClientActivity, type ClientStatistics } from "./client-activity.ts";
export type { RpcAnswerOptions } from "./loaded-rpcs.ts";
export { rpcRequirement } from "./requirements.ts";
export { createRpcAnswer } from "./rpc-answer.ts";
export type { RpcLimits } from "./rpc-limits.ts";
export { ServingState, type Stopping } from "./serving-state.ts";
