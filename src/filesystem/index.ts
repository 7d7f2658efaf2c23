export {
  type CallOptions,
  createFileAccess,
  FILE_ACCESS_MODES,
  type FileAccess,
  type FileAccessMode,
  type UserFiles,
} from "./file-access.ts";
export { FileError } from "./file-error.ts";
export { type FileUser, findFileUser } from "./file-user.ts";
export { cleanPath, resolveExpendable, resolvePath } from "./paths.ts";
export type { FileStats, Owner, Path } from "./threads/basic-operations.ts";
