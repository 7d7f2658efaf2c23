export { ConsoleFiles } from "./console-files.ts";
export { SessionEndpoints } from "./session-endpoints.ts";
export { ConsoleSessions, type SavedCode, type SavedSession } from "./sessions.ts";
