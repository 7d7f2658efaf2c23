export type { Entry, EntryType } from "./entries/entry.ts";
export type { ListResult } from "./entries/listing.ts";
export {
  type CallOptions,
  createFileAccess,
  type FileAccess,
  type FileAccessMode,
  type UserFiles,
} from "./file-access.ts";
export { FileError } from "./file-error.ts";
export { type FileUser, findFileUser } from "./file-user.ts";
export { cleanPath, resolveExpendable, resolvePath } from "./paths.ts";
export type { FileStats, Owner, Path } from "./threads/basic-operations.ts";
export type { CompleteContent } from "./transfer/copy-in.ts";
export { copyOut } from "./transfer/copy-out.ts";
export { closeFile, readAt } from "./transfer/file-io.ts";
export { inTurn } from "./transfer/in-turn.ts";
export type { OpenFile } from "./transfer/open-file.ts";
export { NO_FILE, type PlacedFile, type PlaceRequest } from "./transfer/place.ts";
export { completeUploads } from "./transfer/recovery.ts";
export { sendOut } from "./transfer/send-out.ts";
export { removeAbandonedSpools } from "./transfer/spool.ts";
export { StagedContent, type StagedContentState } from "./transfer/staged-content.ts";
export { baseOf, type Following, parentOf } from "./transfer/target.ts";
export type { TargetState } from "./transfer/target-state.ts";
export { type PackProgress, packTree } from "./tree/pack-tree.ts";
export { type PathFilter, pathFilter } from "./tree/path-filter.ts";
export { reasonOf, type SkippedEntry } from "./tree/skipped-entries.ts";
export type { UnpackStep } from "./tree/unpack-entries.ts";
export { type OutwardLinks, type UnpackProgress, unpackTree } from "./tree/unpack-tree.ts";
export type { NumberedEvent, WatchEventType } from "./watch/watch-event.ts";
export type { WatchesState } from "./watch/watch-state.ts";
export type { Watcher } from "./watch/watcher.ts";
export { type NewWatch, type Reservation, Watchers, type WatchStatistics } from "./watch/watchers.ts";
