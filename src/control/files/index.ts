export { createFileEndpoints, type FileEndpoints } from "./file-endpoints.ts";
export { TransferMemory } from "./transfer-memory.ts";
