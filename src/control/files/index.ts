export { createFileRoutes, UPLOADS_PATH } from "./file-endpoints.ts";
export { TransferMemory } from "./transfer-memory.ts";
