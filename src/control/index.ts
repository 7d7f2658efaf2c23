export type { ConsoleSessions, SavedCode, SavedSession } from "./console/index.ts";
export { CONSOLE_PATH } from "./console-paths.ts";
export { type ControlOptions, createControl } from "./control.ts";
export { restoreUpload, type UploadState, UploadTable, uploadDescriptors } from "./files/index.ts";
export { Initialization, type InitializationState } from "./init.ts";
export { newConsoleSessions } from "./new-console-sessions.ts";
export { endpointRequirement } from "./requirements.ts";
export type { UpgradeControl } from "./upgrade-request.ts";
