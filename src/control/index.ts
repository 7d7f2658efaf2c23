export type { ConsoleSessions } from "./console/index.ts";
export { CONSOLE_PATH } from "./console-paths.ts";
export { type ControlOptions, createControl } from "./control.ts";
export { newConsoleSessions } from "./new-console-sessions.ts";
export { endpointRequirement } from "./requirements.ts";
