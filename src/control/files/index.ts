export { createFileRoutes, UPLOADS_PATH } from "./file-endpoints.ts";
export { createSender } from "./send.ts";
export { TransferMemory } from "./transfer-memory.ts";
