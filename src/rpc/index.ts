export { ClientActivity, type ClientStatistics, type SavedClientStatistics } from "./client-activity.ts";
export { type WatchStreamState, WatchStreams } from "./filesystem/watch-streams.ts";
export type { LoadedRpcs, RpcAnswerOptions } from "./loaded-rpcs.ts";
export { OutputStreams } from "./output/output-streams.ts";
export type { StreamState } from "./output/stream-state.ts";
export { rpcRequirement } from "./requirements.ts";
export { createRpcAnswer, type RpcAnswer } from "./rpc-answer.ts";
export type { RpcLimits } from "./rpc-limits.ts";
export { ServingState, type Stopping } from "./serving-state.ts";
