export { restoreUpload } from "../resumable-uploads/restored-upload.ts";
export { type UploadState, uploadDescriptors } from "../resumable-uploads/upload-state.ts";
export { UploadTable } from "../resumable-uploads/upload-table.ts";
export { createFileRoutes, UPLOADS_PATH } from "./file-endpoints.ts";
export { createSender } from "./send.ts";
export { TransferMemory } from "./transfer-memory.ts";
