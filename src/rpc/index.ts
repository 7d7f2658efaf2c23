export { createRpcListener } from "./adapter.ts";
export { Records } from "./client-activity.ts";
export { RequestMemory } from "./request-memory.ts";
export { createServerStatistics, type ServerStatistics } from "./server-statistics.ts";
export { reflection, serviceRoutes } from "./services.ts";
export { ServingState } from "./serving-state.ts";
export { limitStreams } from "./stream-limit.ts";
