export { type AgentSettings, runAgent } from "./agent.ts";
export { describeStartFailure } from "./start-failure.ts";
