// POST /files: stores the body as a file, or each file of a form. Nothing is changed before the content is complete and
// right.

import { HoldfastError } from "../../errors.ts";
import { headerReader, type NodeRequest, type NodeResponse, type Query } from "../../http/index.ts";
import { clip } from "../../text.ts";
import { answerFileJson } from "../files/file-answer.ts";
import { type Requester, requesterOf } from "../files/file-request.ts";
import type { FileService } from "../files/file-service.ts";
import { uploadForm } from "./form-upload.ts";
import { describe, lookAt, requiredPath, stagedFor, store, storeOptionsOf } from "./storing.ts";
import { uploadBody } from "./upload-body.ts";

export async function upload(
  service: FileService,
  request: NodeRequest,
  response: NodeResponse,
  query: Query,
): Promise<void> {
  const requester = await requesterOf(request, query.text("username"), service.access, service.defaults);
  const type = mediaTypeOf(request);
  if (type === "application/octet-stream")
    return await uploadRaw(service, requester, request, response, query);
  if (type.startsWith("multipart/")) return await uploadForm(service, requester, request, response, query);
  throw new HoldfastError(
    "invalid_argument",
    `Content-Type is application/octet-stream or multipart/form-data, not "${clip(type)}"`,
  );
}

function mediaTypeOf({ headers }: NodeRequest): string {
  return (headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

async function uploadRaw(
  service: FileService,
  requester: Requester,
  request: NodeRequest,
  response: NodeResponse,
  query: Query,
): Promise<void> {
  const path = requiredPath(requester, query);
  const options = storeOptionsOf(request, query);
  const target = await lookAt(requester, path, request, options.following);
  const share = service.memory.open(lengthOf(request));
  const content = stagedFor(requester, path, share.bufferBytes);
  try {
    for await (const piece of uploadBody(request, headerReader(request), service.idleMs))
      await content.append(piece);
    const placed = await store(requester, { path, content, target, options });
    answerFileJson(response, 200, [describe(path, placed)], { ETag: `"${placed.version}"` });
  } finally {
    await content.close();
    share.release();
  }
}

/** Undefined for a body in chunks. */
function lengthOf({ headers }: NodeRequest): number | undefined {
  const length = Number(headers["content-length"] ?? Number.NaN);
  return Number.isNaN(length) || headers["content-encoding"] !== undefined ? undefined : length;
}
