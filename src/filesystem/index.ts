export type { Entry, EntryType } from "./entries/entry.ts";
export type { ListResult } from "./entries/listing.ts";
export {
  type CallOptions,
  createFileAccess,
  type FileAccess,
  type FileAccessMode,
  type UserFiles,
} from "./file-access.ts";
export { type FileUser, findFileUser } from "./file-user.ts";
export { cleanPath, resolveExpendable, resolvePath } from "./paths.ts";
export type { FileStats, Owner, Path } from "./threads/basic-operations.ts";
export type { NumberedEvent, WatchEventType } from "./watch/watch-event.ts";
export type { Watcher } from "./watch/watcher.ts";
export { type NewWatch, type Reservation, Watchers } from "./watch/watchers.ts";
