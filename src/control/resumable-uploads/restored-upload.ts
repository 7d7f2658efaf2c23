// A resumable upload of another image of this agent: continued with the spool file that it left (src/handover).

import { type FileAccess, parentOf, StagedContent } from "../../filesystem/index.ts";
import type { InheritedDescriptors } from "../../linux/index.ts";
import { ResumableUpload } from "./resumable-upload.ts";
import type { UploadState } from "./upload-state.ts";

/** As small as a transfer may use. */
const BATCH_BYTES = 64 * 1024;

export function restoreUpload(
  state: UploadState,
  access: FileAccess,
  descriptors: InheritedDescriptors,
): ResumableUpload {
  const { id, user, owner, target, options, digest, content, stored } = state;
  const path = Buffer.from(state.path, "latin1");
  const files = access.for(user);
  const saved = content && {
    ...content,
    spool: { ...content.spool, fd: descriptors.claim(content.spool.fd, "other") },
  };
  const staged = new StagedContent(() => files.call("openSpool", [parentOf(path)]), BATCH_BYTES, saved);
  const plan = { id, path, requester: { files, owner }, target, options, digest };
  return new ResumableUpload(plan, staged, stored);
}
