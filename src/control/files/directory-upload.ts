// POST /files?path=D&format=tar: unpacks the body into a directory. With Accept: application/x-ndjson the answer is a line
// of progress for each megabyte or so, and then the result or the error.

import { HoldfastError } from "../../errors.ts";
import {
  closeFile,
  type OutwardLinks,
  pathFilter,
  type UnpackProgress,
  unpackTree,
} from "../../filesystem/index.ts";
import { headerReader, type NodeRequest, type NodeResponse, type Query } from "../../http/index.ts";
import { clip, messageOf } from "../../text.ts";
import { requiredPath } from "../uploads/storing.ts";
import { uploadBody } from "../uploads/upload-body.ts";
import { type ArchiveFormat, decompressed } from "./archive-format.ts";
import { answerFileError, answerFileJson, statusOf } from "./file-answer.ts";
import { type Requester, requesterOf } from "./file-request.ts";
import type { FileService } from "./file-service.ts";

const EVENT_BYTES = 1024 * 1024;
const EVENT_FILES = 200;

export async function uploadDirectory(
  service: FileService,
  request: NodeRequest,
  response: NodeResponse,
  query: Query,
  format: ArchiveFormat,
): Promise<void> {
  const requester = await requesterOf(request, query.text("username"), service.access, service.defaults);
  const path = requiredPath(requester, query);
  const isExcluded = pathFilter(query.all("exclude"));
  const outwardLinks = outwardLinksIn(query);
  const owner = ownerIn(query, requester, service);
  const header = headerReader(request);
  const body = decompressed(format, uploadBody(request, header, service.idleMs));
  const progress: UnpackProgress = {
    files: 0,
    directories: 0,
    links: 0,
    bytes: 0,
    skipped: [],
    skippedCount: 0,
  };
  // Before the directory is opened: without memory for it, nothing is to be closed.
  const share = service.memory.open();
  const root = await requester.files
    .call("openUnpackRoot", [path, requester.owner])
    .catch((error: unknown) => {
      share.release();
      throw error;
    });
  const events = /\bapplication\/x-ndjson\b/i.test(header.get("Accept") ?? "")
    ? progressEvents(response, progress)
    : undefined;
  try {
    await unpackTree({
      files: requester.files,
      root,
      archive: events === undefined ? body : events.watch(body),
      isExcluded,
      owner,
      outwardLinks,
      progress,
      bufferBytes: share.bufferBytes,
      directory: path,
    });
    const result = { path: path.toString(), ...resultOf(progress) };
    if (events === undefined) answerFileJson(response, 200, result);
    else events.end({ result });
  } catch (error) {
    const fields = { unpacked: resultOf(progress) };
    if (events === undefined) answerFileError(error, response, service.logger, fields);
    else events.end({ error: { code: statusOf(error), message: textOf(error), ...fields } });
  } finally {
    await closeFile(root);
    share.release();
  }
}

function resultOf({ files, directories, links, bytes, skipped, skippedCount }: UnpackProgress) {
  return { files, directories, links, bytes, skipped, skipped_count: skippedCount };
}

function progressEvents(response: NodeResponse, progress: UnpackProgress) {
  const write = (event: object) => {
    if (!response.destroyed)
      (response as { write(text: string): unknown }).write(`${JSON.stringify(event)}\n`);
  };
  response.writeHead(200, { "Cache-Control": "no-store", "Content-Type": "application/x-ndjson" });
  let last = { files: 0, bytes: 0 };
  return {
    watch: async function* (pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
      for await (const piece of pieces) {
        yield piece;
        const { files, bytes } = progress;
        if (files - last.files < EVENT_FILES && bytes - last.bytes < EVENT_BYTES) continue;
        last = { files, bytes };
        write({ progress: { files, bytes } });
      }
    },
    end: (event: object) => {
      write(event);
      response.end();
    },
  };
}

function textOf(error: unknown): string {
  return error instanceof HoldfastError ? messageOf(error) : "internal error";
}

function outwardLinksIn(query: Query): OutwardLinks {
  const value = query.text("links") ?? "refuse";
  if (value === "refuse" || value === "skip" || value === "keep") return value;
  throw new HoldfastError("invalid_argument", `links is refuse, skip or keep, not "${clip(value)}"`);
}

/** The archive's owners need an agent that may give files away, and a client that may decide for all users. */
function ownerIn(query: Query, { owner }: Requester, { access }: FileService) {
  const value = query.text("owner") ?? "user";
  if (value === "user") return owner;
  if (value !== "archive")
    throw new HoldfastError("invalid_argument", `owner is user or archive, not "${clip(value)}"`);
  if (access.mode === "user" || process.getuid?.() !== 0)
    throw new HoldfastError(
      "permission_denied",
      "owner=archive needs an agent that runs as root with --file-access agent",
    );
  return "archive" as const;
}
