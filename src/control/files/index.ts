export { createFileRoutes, UPLOADS_PATH } from "./file-endpoints.ts";
export { restoreUpload } from "./restored-upload.ts";
export { createSender } from "./send.ts";
export { TransferMemory } from "./transfer-memory.ts";
export { type UploadState, uploadDescriptors } from "./upload-state.ts";
export { UploadTable } from "./upload-table.ts";
