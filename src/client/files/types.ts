// The public interface of `client.files`. All sizes are bytes. A path is absolute, `~`, `~/…`, or relative to the user's
// home.

import type { ClientError } from "../client-errors.ts";

/**
 * The files of the sandbox. Every call accepts an AbortSignal and rejects with its reason when it aborts; every other
 * failure is a ClientError, with code `not_found` for a path that does not exist.
 */
export interface Files {
  /** The whole content of a file. See `download` for large ones. */
  read(path: string, options?: DownloadOptions): Promise<Uint8Array>;
  /** The whole content of a file, as UTF-8. */
  readText(path: string, options?: DownloadOptions): Promise<string>;
  /**
   * The content of a file as a stream. A lost connection is continued at the same byte. If the file has changed since
   * the download began, it fails with FileChangedError: bytes of two versions are never mixed.
   */
  download(path: string, options?: DownloadOptions): Promise<FileDownload>;
  /**
   * Stores text or bytes as a file. If something fails, the file has the old content or the new
   * one. Missing directories are created.
   */
  write(path: string, content: string | Uint8Array, options?: UploadOptions): Promise<StoredFile>;
  /**
   * Stores a stream, a Blob, text or bytes as a file. The connection may be lost at any byte: each byte is accepted once,
   * and the file is stored once. At most 8 MiB of a stream are held in memory.
   *
   * If the agent restarts meanwhile, text, bytes and Blobs are sent again from the start. A stream cannot be, so the
   * upload fails with code `data_loss`.
   */
  upload(path: string, content: UploadContent, options?: UploadOptions): Promise<StoredFile>;
  /**
   * A directory with everything in it as a tar archive. It cannot be continued: a lost connection is an error with code
   * `unavailable`.
   */
  downloadDirectory(path: string, options?: DirectoryDownloadOptions): Promise<DirectoryDownload>;
  /**
   * Unpacks a tar archive into a directory, which is created if it is missing. Each file appears
   * whole. It cannot be continued: a lost connection is an error with code `unavailable`, and the
   * entries that were unpacked until then stay.
   */
  uploadDirectory(
    path: string,
    archive: UploadContent,
    options?: DirectoryUploadOptions,
  ): Promise<UnpackedDirectory>;
  /** One entry. A link is followed; `linkTarget` says where to. */
  stat(path: string, options?: FileCallOptions): Promise<FileEntry>;
  /** The entries of a directory. Parents come before their children. */
  list(path: string, options?: ListFilesOptions): Promise<FileEntry[]>;
  /**
   * Makes a directory and the missing ones above it. Rejects with code `already_exists` if it exists, unless an answer
   * was lost meanwhile: the directory may be the one that this call made.
   */
  makeDir(path: string, options?: FileCallOptions): Promise<FileEntry>;
  /**
   * Renames a file or directory, also to another file system. If the answer is lost, the call is not repeated, because
   * the entry may have been moved.
   */
  move(from: string, to: string, options?: FileCallOptions): Promise<FileEntry>;
  /** Removes a file, or a directory with everything in it. A missing path is success. */
  remove(path: string, options?: FileCallOptions): Promise<void>;
  /**
   * Watches a directory. Resolves when every later change is sure to be reported. A lost connection is continued: no
   * event is lost without a `rescan` event in its place.
   */
  watch(path: string, options?: WatchOptions): Promise<FileWatch>;
}

/** Options of every call of `Files`. */
export interface FileCallOptions {
  /** Its abort rejects the call. */
  readonly signal?: AbortSignal;
  /** The user: relative paths begin at its home, and it owns new files. Default: the client's `user`. */
  readonly user?: string;
}

/** How far a transfer is. */
export interface TransferProgress {
  /** Bytes that the other side has, beginning at the start of the transfer. */
  readonly transferredBytes: number;
  /** Absent if it is not known. */
  readonly totalBytes?: number;
}

/** Options of transfers. */
export interface TransferOptions extends FileCallOptions {
  /** Called after each piece. */
  readonly onProgress?: (progress: TransferProgress) => void;
  /** Called when the connection is lost and will be tried again. */
  readonly onReconnect?: (reconnect: TransferReconnect) => void;
}

/** A lost connection: try number `attempt` in a row begins in `delayMs`. */
export interface TransferReconnect {
  readonly attempt: number;
  readonly delayMs: number;
  readonly reason: ClientError;
}

/** Options of `read`, `readText` and `download`. */
export interface DownloadOptions extends TransferOptions {
  /** The first byte. Default: 0. */
  readonly offset?: number;
  /** How many bytes, at most. Default: all to the end. */
  readonly length?: number;
  /** The version that is expected, an `etag`. With another one the call rejects with FileChangedError. */
  readonly ifMatch?: string;
}

/** The content of a file, to be read once, in one of the ways below. Output is transferred only while it is read. */
export interface FileDownload extends AsyncIterable<Uint8Array> {
  /** The size of the whole file. */
  readonly size: number;
  /** The version of the file, for `ifMatch`. */
  readonly etag: string;
  readonly mediaType: string;
  readonly modifiedAt?: Date;
  bytes(): Promise<Uint8Array>;
  text(): Promise<string>;
  stream(): ReadableStream<Uint8Array>;
  /** Gives up the connection. For a download that is not read to its end; leaving a loop does this also. */
  cancel(): void;
}

/** The content that `upload` sends. */
export type UploadContent =
  | string
  | Uint8Array
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>;

/** Options of `write` and `upload`. */
export interface UploadOptions extends TransferOptions {
  /** Permissions, such as 0o755. Default: those of the existing file, or 0o644. */
  readonly mode?: number;
  /** Replaces the file by a rename: readers see the old file or the new one. Default: its inode stays. */
  readonly atomic?: boolean;
  /** The content is on the disk when the call resolves. */
  readonly sync?: boolean;
  /** Stores only over this version, an `etag`. Over another one the call rejects with FileChangedError. */
  readonly ifMatch?: string;
  /** Stores only a new file. If there is one, the call rejects with code `already_exists`. */
  readonly ifAbsent?: boolean;
  /** The size of a stream, for `onProgress`. */
  readonly totalBytes?: number;
  /** Extended attributes `user.e2b.KEY`. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** The result of `write` and `upload`. */
export interface StoredFile {
  readonly path: string;
  readonly name: string;
  readonly size: number;
  /** The version that was stored, for `ifMatch`. */
  readonly etag: string;
}

/** Options of `downloadDirectory` and `uploadDirectory`. */
export interface DirectoryOptions extends FileCallOptions {
  /** Default: `tar`. `tar.zst` needs an agent with Node 22.15 or newer. */
  readonly format?: "tar" | "tar.gz" | "tar.zst";
  /** Globs to leave out: `node_modules`, `*.tmp`, `build/**`. */
  readonly exclude?: readonly string[];
  readonly onProgress?: (progress: DirectoryProgress) => void;
}

/** Options of `downloadDirectory`. */
export type DirectoryDownloadOptions = DirectoryOptions;

/** Options of `uploadDirectory`. */
export interface DirectoryUploadOptions extends DirectoryOptions {
  /** Symbolic links that can lead out of the directory. Default: `refuse`. */
  readonly links?: "refuse" | "skip" | "keep";
  /** `archive`: the owners that the archive names, for an agent that runs as root. Default: `user`. */
  readonly owner?: "user" | "archive";
}

/** How far a directory is. */
export interface DirectoryProgress {
  readonly bytes: number;
  /** Files that are unpacked. Absent for downloads. */
  readonly files?: number;
}

/** The archive, to be read once. */
export interface DirectoryDownload extends AsyncIterable<Uint8Array> {
  /** After the end. Undefined in browsers, which do not show trailers. */
  readonly summary: DirectorySummary | undefined;
  stream(): ReadableStream<Uint8Array>;
  /** Gives up the connection. */
  cancel(): void;
}

/** The content of a directory. */
export interface DirectorySummary {
  readonly files: number;
  readonly directories: number;
  readonly links: number;
  readonly bytes: number;
  /** Entries that were left out, such as sockets and files that cannot be read, or that are not complete. */
  readonly skipped: number;
  /** The first ones of them, with the reason. */
  readonly skippedEntries: readonly SkippedEntry[];
}

/** The result of `uploadDirectory`. */
export interface UnpackedDirectory extends DirectorySummary {
  readonly path: string;
}

/** An entry that was left out, and why. */
export interface SkippedEntry {
  readonly name: string;
  readonly reason: string;
}

/** Options of `list`. */
export interface ListFilesOptions extends FileCallOptions {
  /** How many levels. Default: 1. */
  readonly depth?: number;
}

/**
 * The kind of entry at a path. `other` is a device, FIFO or socket; `link` a symbolic link without
 * a target.
 */
export type FileKind = "file" | "directory" | "link" | "other";

/** An entry of a directory. */
export interface FileEntry {
  readonly name: string;
  readonly path: string;
  readonly kind: FileKind;
  readonly size: number;
  /** Permission bits; those of the target for a link. */
  readonly mode: number;
  /** As text: `-rw-r--r--`. */
  readonly permissions: string;
  readonly owner: string;
  readonly group: string;
  readonly modifiedAt?: Date;
  /** For a symbolic link. */
  readonly linkTarget?: string;
  /** Extended attributes `user.e2b.*`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Options of `watch`. */
export interface WatchOptions extends FileCallOptions {
  /** Also everything below the directories in it. */
  readonly recursive?: boolean;
  /** Globs to leave out: `node_modules`, `*.tmp`, `build/**`. */
  readonly exclude?: readonly string[];
  /** Adds the entry to events of kind create, write and chmod. */
  readonly includeEntry?: boolean;
  /** Watches NFS, CIFS, SMB and FUSE, where changes by other machines are not seen. */
  readonly allowNetworkMounts?: boolean;
  /** Called when the connection is lost and will be tried again. */
  readonly onReconnect?: (reconnect: TransferReconnect) => void;
}

/** A watch. Iterate over its events; leaving the loop ends the watch. */
export interface FileWatch extends AsyncIterable<FileEvent> {
  /** Ends the watch, and a pending iteration. */
  close(): void;
}

/**
 * A change. `name` is relative to the watched directory, and `.` is the directory itself. A rename has the old name; the
 * new one gets a create. `rescan` stands for an unknown number of lost events: look at everything below `name`.
 */
export interface FileEvent {
  readonly kind: "create" | "write" | "remove" | "rename" | "chmod" | "rescan";
  readonly name: string;
  /** With `includeEntry`, if it was still there. */
  readonly entry?: FileEntry;
}
