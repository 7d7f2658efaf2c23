// Resumable uploads as plain data: the next image of the agent continues them (src/handover). Fields are only added; a
// field keeps its name and its meaning.

import type { FileUser, PlacedFile, StagedContentState } from "../../filesystem/index.ts";
import type { StoreOptions, Target } from "../uploads/storing.ts";

export interface UploadState {
  readonly id: string;
  /** Bytes, as latin1. */
  readonly path: string;
  readonly user: FileUser;
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly target: Target;
  readonly options: StoreOptions;
  readonly digest: string | null;
  /** Absent: nothing is certainly stored yet. */
  readonly content?: StagedContentState | undefined;
  /** Until it is dropped, if its client does not return. */
  readonly remainingMs?: number | undefined;
  /** Once it is complete, with the digest of what arrived. */
  readonly stored?: { readonly file: PlacedFile; readonly digest: string } | undefined;
}

export function uploadDescriptors(uploads: readonly UploadState[]): number[] {
  return uploads.flatMap(({ content }) => (content === undefined ? [] : [content.spool.fd]));
}
