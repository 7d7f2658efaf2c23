export { ConsoleFiles } from "./console-files.ts";
export { SessionEndpoints } from "./session-endpoints.ts";
export { ConsoleSessions } from "./sessions.ts";
