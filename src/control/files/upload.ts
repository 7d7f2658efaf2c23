// POST /files: stores the body as a file, or each file of a form. Nothing is changed before the content is complete and
// right.

import { HoldfastError } from "../../errors.ts";
import {
  baseOf,
  inTurn,
  NO_FILE,
  type PlacedFile,
  parentOf,
  StagedContent,
  type TargetState,
} from "../../filesystem/index.ts";
import { headerReader, type NodeRequest, type NodeResponse, type Query } from "../../http/index.ts";
import { clip } from "../../text.ts";
import { checkConditions } from "./conditions.ts";
import { answerFileError, answerFileJson } from "./file-answer.ts";
import { flagIn, modeIn, type Requester, requesterOf } from "./file-request.ts";
import type { FileService } from "./file-service.ts";
import { readForm } from "./form-parts.ts";
import { metadataOf } from "./metadata-headers.ts";
import type { TransferShare } from "./transfer-memory.ts";
import { uploadBody } from "./upload-body.ts";

/** How a file is stored, from the request's query and headers. */
export interface StoreOptions {
  readonly metadata: Readonly<Record<string, string>>;
  readonly mode: number | undefined;
  readonly isAtomic: boolean;
  readonly isSynced: boolean;
}

export function storeOptionsOf(request: NodeRequest, query: Query): StoreOptions {
  return {
    metadata: Object.fromEntries(metadataOf(request)),
    mode: modeIn(query),
    isAtomic: flagIn(query, "atomic"),
    isSynced: flagIn(query, "sync"),
  };
}

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
  const target = await lookAt(requester, path, request);
  const share = service.memory.open(lengthOf(request));
  const content = stagedFor(requester, path, share);
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

export function requiredPath(requester: Requester, query: Query): Buffer {
  const path = query.bytes("path");
  if (path === undefined || path.length === 0)
    throw new HoldfastError("invalid_argument", "path is missing: name the file in the query, ?path=…");
  return requester.resolve(path);
}

/** Undefined for a body in chunks. */
function lengthOf({ headers }: NodeRequest): number | undefined {
  const length = Number(headers["content-length"] ?? Number.NaN);
  return Number.isNaN(length) || headers["content-encoding"] !== undefined ? undefined : length;
}

export interface Target {
  readonly state: TargetState;
  /** The version that the file must still have at the end; undefined: any. */
  readonly expected: string | undefined;
}

/** Throws if no file can be stored at `path`, or if the conditions of the request do not hold. */
export async function lookAt({ files }: Requester, path: Buffer, request: NodeRequest): Promise<Target> {
  const state = await files.call("targetState", [path]);
  const header = headerReader(request);
  const current =
    state.version === NO_FILE ? undefined : { etag: `"${state.version}"`, modifiedMs: state.modifiedMs };
  if (checkConditions(header, current, false) !== "proceed")
    throw new HoldfastError(
      "failed_precondition",
      current === undefined
        ? `"${clip(path.toString())}" does not exist, and If-Match names a version of it`
        : `"${clip(path.toString())}" has the version ${current.etag}, which the conditions of the request do not allow`,
    );
  const isConditional = ["If-Match", "If-None-Match", "If-Unmodified-Since"].some(
    (name) => header.get(name) !== null,
  );
  return { state, expected: isConditional ? state.version : undefined };
}

export function stagedFor({ files }: Requester, path: Buffer, { bufferBytes }: TransferShare): StagedContent {
  return new StagedContent(() => files.call("openSpool", [parentOf(path)]), bufferBytes);
}

export interface Storing {
  readonly path: Buffer;
  readonly content: StagedContent;
  readonly target: Target;
  readonly options: StoreOptions;
}

/** Uploads to one file are stored one after the other. */
export async function store(
  requester: Requester,
  { path, content, target, options }: Storing,
): Promise<PlacedFile> {
  const complete = await content.complete();
  const { owner, files } = requester;
  return await inTurn(target.state.identity ?? path.toString("latin1"), () =>
    files.call("place", [
      { ...options, path, content: complete, spool: content.spoolFile, owner, expected: target.expected },
    ]),
  );
}

export interface StoredFile {
  readonly path: string;
  readonly name: string;
  readonly type: "file";
  readonly metadata?: Readonly<Record<string, string>>;
}

export function describe(path: Buffer, { metadata }: PlacedFile): StoredFile {
  return {
    path: path.toString(),
    name: baseOf(path).toString(),
    type: "file",
    ...(Object.keys(metadata).length > 0 ? { metadata } : {}),
  };
}

/** How many files of one form are held until the whole form has arrived. Later ones are stored as they come. */
const MAX_STAGED = 64;

async function uploadForm(
  service: FileService,
  requester: Requester,
  request: NodeRequest,
  response: NodeResponse,
  query: Query,
): Promise<void> {
  const named = query.bytes("path");
  const options = storeOptionsOf(request, query);
  const staged: Storing[] = [];
  const share = service.memory.open();
  /** Of complete parts that are still in memory. */
  let heldBytes = 0;
  const seen = new Set<string>();
  const written: StoredFile[] = [];
  const storeNext = async () => {
    const part = staged.shift();
    if (part === undefined) return;
    try {
      written.push(describe(part.path, await store(requester, part)));
    } finally {
      await part.content.close();
    }
  };
  try {
    const body = uploadBody(request, headerReader(request), service.idleMs);
    await readForm(request, body, async (part) => {
      const path = requester.resolve(partPath(part.name, named));
      const key = path.toString("latin1");
      if (seen.has(key)) throw twice(path, named !== undefined);
      seen.add(key);
      const target = await lookAt(requester, path, request);
      if (staged.length >= MAX_STAGED) await storeNext();
      const content = stagedFor(requester, path, share);
      staged.push({ path, content, target, options });
      for await (const piece of part.content) await content.append(piece);
      await content.flush();
      if (content.spoolFile !== undefined) return;
      heldBytes += content.bytes;
      if (heldBytes <= share.bufferBytes) return;
      for (const { content: earlier } of staged) await earlier.spool();
      heldBytes = 0;
    });
    while (staged.length > 0) await storeNext();
    answerFileJson(response, 200, written);
  } catch (error) {
    answerFileError(error, response, service.logger, written.length > 0 ? { written } : {});
  } finally {
    for (const { content } of staged) await content.close();
    share.release();
  }
}

function partPath(name: string, named: Buffer | undefined): Buffer {
  if (named !== undefined && named.length > 0) return named;
  if (name !== "") return Buffer.from(name);
  throw new HoldfastError("invalid_argument", "a file of the form has no name, and the query has no path");
}

function twice(path: Buffer, isNamed: boolean): HoldfastError {
  return new HoldfastError(
    "invalid_argument",
    isNamed
      ? "the form has more than one file, and the query names one path for all"
      : `the form has two files for "${clip(path.toString())}"`,
  );
}
