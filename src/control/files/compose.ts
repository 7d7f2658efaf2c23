// POST /files/compose: joins files that were uploaded in parallel into one, and removes them.

import { HoldfastError } from "../../errors.ts";
import type { NodeRequest, NodeResponse } from "../../http/index.ts";
import { clip } from "../../text.ts";
import { metadataOf } from "../file-headers/metadata-headers.ts";
import { describe, lookAt } from "../uploads/storing.ts";
import { timely } from "../uploads/upload-body.ts";
import { answerFileJson } from "./file-answer.ts";
import { requesterOf } from "./file-request.ts";
import type { FileService } from "./file-service.ts";

const MAX_BODY_BYTES = 1024 * 1024;
const MAX_SOURCES = 1000;

interface ComposeBody {
  readonly sources: readonly string[];
  readonly destination: string;
  readonly username: string | undefined;
}

export async function compose(
  service: FileService,
  request: NodeRequest,
  response: NodeResponse,
): Promise<void> {
  const body = parse(await readBody(service, request));
  const requester = await requesterOf(request, body.username, service.access, service.defaults);
  const destination = requester.resolve(Buffer.from(body.destination));
  const sources = body.sources.map((path) => requester.resolve(Buffer.from(path)));
  const { expected } = await lookAt(requester, destination, request);
  const metadata = Object.fromEntries(metadataOf(request));
  const { owner, files } = requester;
  const placed = await files.call("compose", [
    { sources, destination, metadata, owner, mode: undefined, isSynced: false, expected },
  ]);
  const remaining = placed.remaining.map((path) => Buffer.from(path).toString());
  const answer = {
    ...describe(destination, placed),
    ...(remaining.length > 0 ? { not_removed: remaining } : {}),
  };
  answerFileJson(response, 200, answer, { ETag: `"${placed.version}"` });
}

async function readBody({ memory, idleMs }: FileService, request: NodeRequest): Promise<string> {
  const share = memory.open(Number(request.headers["content-length"] ?? MAX_BODY_BYTES));
  try {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of timely(request, idleMs)) {
      bytes += piece.length;
      if (bytes > MAX_BODY_BYTES) throw invalid(`the body has more than ${MAX_BODY_BYTES} bytes`);
      pieces.push(piece);
    }
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(pieces));
  } catch (error) {
    throw error instanceof TypeError ? invalid("the body is not UTF-8") : error;
  } finally {
    share.release();
  }
}

function parse(text: string): ComposeBody {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid("the body is not JSON");
  }
  const fields = typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  if (fields === undefined) throw invalid("the body must be a JSON object");
  const sources: unknown = Reflect.get(fields, "source_paths");
  const destination: unknown = Reflect.get(fields, "destination");
  const username: unknown = Reflect.get(fields, "username") ?? undefined;
  if (!Array.isArray(sources) || sources.length === 0 || !sources.every(isName))
    throw invalid("source_paths must be a list of at least one path");
  if (sources.length > MAX_SOURCES)
    throw invalid(`source_paths has ${sources.length} paths; the limit is ${MAX_SOURCES}`);
  if (!isName(destination)) throw invalid("destination must be a path");
  if (username !== undefined && typeof username !== "string")
    throw invalid(`username must be a name, not ${clip(JSON.stringify(username))}`);
  return { sources, destination, username };
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("invalid_argument", message);
}
