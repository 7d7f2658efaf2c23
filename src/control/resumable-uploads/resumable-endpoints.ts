// Resumable uploads over HTTP, as draft-ietf-httpbis-resumable-upload has them: POST /files with
// Upload-Complete creates one, PATCH /files/uploads/ID appends at an offset, HEAD answers the
// offset, DELETE drops the upload. In addition, a client may choose the id (`upload_id`), so that
// it can continue even if the first answer was lost.

import { HoldfastError } from "../../errors.ts";
import { headerReader, type NodeRequest, type NodeResponse, pathOf, type Query } from "../../http/index.ts";
import { kernelRandomUuid } from "../../linux/index.ts";
import { clip } from "../../text.ts";
import { expectedDigest } from "../file-headers/digests.ts";
import { answerFileJson } from "../files/file-answer.ts";
import { requesterOf } from "../files/file-request.ts";
import type { FileService } from "../files/file-service.ts";
import { describe, lookAt, requiredPath, stagedFor, storeOptionsOf } from "../uploads/storing.ts";
import { uploadBody } from "../uploads/upload-body.ts";
import { ResumableUpload, type UploadPlan } from "./resumable-upload.ts";

const ID = /^[\w.~-]{8,128}$/;
const PREFIX = "/files/uploads/";
const PROBLEMS = "https://iana.org/assignments/http-problem-types#";

/** The header is what makes a POST the creation of a resumable upload. */
export function isResumable(request: NodeRequest): boolean {
  return headerReader(request).get("Upload-Complete") !== null;
}

export async function createUpload(
  service: FileService,
  request: NodeRequest,
  response: NodeResponse,
  query: Query,
): Promise<void> {
  const isLast = isLastPart(request);
  const id = query.text("upload_id") ?? kernelRandomUuid();
  if (!ID.test(id))
    throw invalid(`upload_id has 8 to 128 letters, digits, "-", "_", "." or "~": "${clip(id)}"`);
  const requester = await requesterOf(request, query.text("username"), service.access, service.defaults);
  const path = requiredPath(requester, query);
  const known = service.uploads.find(id);
  if (known !== undefined) return await answerRepeated(known, { requester, path }, response);
  refuseCoding(request);
  const options = storeOptionsOf(request, query);
  const digest = wholeDigestOf(request);
  const target = await lookAt(requester, path, request, options.following);
  const share = service.memory.open();
  try {
    const content = stagedFor(requester, path, share.bufferBytes);
    const upload = new ResumableUpload({ id, path, requester, target, options, digest }, content);
    // The client may have disconnected and repeated the request while this one looked the target up.
    const other = service.uploads.find(id);
    if (other !== undefined) {
      await upload.close();
      return await answerRepeated(other, { requester, path }, response);
    }
    service.uploads.add(upload);
    await receive(service, upload, { request, response, isLast, createdStatus: 201 });
  } finally {
    share.release();
  }
}

async function answerRepeated(
  upload: ResumableUpload,
  asked: Pick<UploadPlan, "path" | "requester">,
  response: NodeResponse,
): Promise<void> {
  const { id, path, requester } = upload.plan;
  if (!path.equals(asked.path) || requester.files.user.uid !== asked.requester.files.user.uid)
    throw new HoldfastError(
      "already_exists",
      `upload_id "${clip(id)}" is the id of an upload to another path or of another user; choose another id`,
    );
  await upload.takeOver();
  if (upload.stored === undefined) answerMismatch(upload, 0, response);
  else answerStored(upload, response);
}

export async function appendToUpload(
  service: FileService,
  request: NodeRequest,
  response: NodeResponse,
): Promise<void> {
  const isLast = isLastPart(request);
  const offset = offsetOf(request);
  refuseCoding(request);
  const upload = service.uploads.get(idOf(request));
  // Several requests may have waited for the same one. The first of them that continues is then the
  // one to end.
  do await upload.takeOver();
  while (upload.isReceiving);
  if (upload.stored !== undefined) return answerStored(upload, response);
  if (offset !== upload.offset) return answerMismatch(upload, offset, response);
  const share = service.memory.open();
  try {
    await receive(service, upload, { request, response, isLast, createdStatus: 204 });
  } finally {
    share.release();
  }
}

export async function showUpload(
  service: FileService,
  request: NodeRequest,
  response: NodeResponse,
): Promise<void> {
  const upload = service.uploads.get(idOf(request));
  await upload.takeOver();
  response.writeHead(204, { "Cache-Control": "no-store", ...progressOf(upload) });
  response.end();
}

export async function cancelUpload(
  service: FileService,
  request: NodeRequest,
  response: NodeResponse,
): Promise<void> {
  const id = idOf(request);
  service.uploads.get(id);
  service.uploads.remove(id);
  response.writeHead(204, { "Cache-Control": "no-store" });
  response.end();
}

interface Receiving {
  readonly request: NodeRequest;
  readonly response: NodeResponse;
  readonly isLast: boolean;
  readonly createdStatus: 201 | 204;
}

async function receive(
  { idleMs, uploads }: FileService,
  upload: ResumableUpload,
  { request, response, isLast, createdStatus }: Receiving,
): Promise<void> {
  const header = headerReader(request);
  const digest = wholeDigestOf(request);
  // The digest of the whole is checked at the end, not against this part of it.
  const partHeader = { get: (name: string) => (name === "Repr-Digest" ? null : header.get(name)) };
  await upload.append(uploadBody(request, partHeader, idleMs), () => request.destroy());
  if (!isLast) {
    response.writeHead(createdStatus, {
      "Cache-Control": "no-store",
      "Content-Length": "0",
      ...progressOf(upload),
    });
    return void response.end();
  }
  try {
    await upload.complete(digest);
  } catch (error) {
    // The content is wrong, or its place refuses it: to send the same again would not help.
    uploads.remove(upload.plan.id);
    throw error;
  }
  answerStored(upload, response);
}

function answerStored(upload: ResumableUpload, response: NodeResponse): void {
  const { plan, stored } = upload;
  if (stored === undefined) throw new Error("the upload is not stored");
  answerFileJson(response, 200, [describe(plan.path, stored)], {
    ...progressOf(upload),
    ETag: `"${stored.version}"`,
    "Repr-Digest": upload.digest,
  });
}

function answerMismatch(upload: ResumableUpload, offered: number, response: NodeResponse): void {
  const message = `Upload-Offset is ${offered}, but ${upload.offset} bytes were accepted; continue there`;
  const problem = { type: `${PROBLEMS}mismatching-upload-offset`, "expected-offset": upload.offset };
  answerFileJson(
    response,
    409,
    { code: 409, message, ...problem, "provided-offset": offered },
    progressOf(upload),
  );
}

function progressOf(upload: ResumableUpload): Record<string, string> {
  return {
    Location: `${PREFIX}${upload.plan.id}`,
    "Upload-Complete": upload.stored === undefined ? "?0" : "?1",
    "Upload-Offset": String(upload.offset),
  };
}

function idOf(request: NodeRequest): string {
  return pathOf(request).slice(PREFIX.length);
}

function isLastPart(request: NodeRequest): boolean {
  const value = headerReader(request).get("Upload-Complete");
  if (value === "?1") return true;
  if (value === "?0") return false;
  throw invalid(`Upload-Complete is ?0 or ?1, not "${clip(value ?? "")}"`);
}

function offsetOf(request: NodeRequest): number {
  const value = headerReader(request).get("Upload-Offset");
  if (value !== null && /^\d{1,15}$/.test(value)) return Number(value);
  throw invalid(`Upload-Offset is a number of bytes, not "${clip(value ?? "")}"`);
}

/** Throws for a malformed one before the body is read. */
function wholeDigestOf(request: NodeRequest): string | null {
  const value = headerReader(request).get("Repr-Digest");
  expectedDigest("Repr-Digest", value);
  return value;
}

/** Offsets count the bytes of the file. */
function refuseCoding(request: NodeRequest): void {
  const coding = headerReader(request).get("Content-Encoding");
  if (coding !== null && coding !== "identity")
    throw invalid("a resumable upload takes no Content-Encoding: its offsets count bytes of the file");
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("invalid_argument", message);
}
