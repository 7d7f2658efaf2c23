// Stores a file: reads the options of the request, checks whether the file may be stored, and
// stores it.

import { HoldfastError } from "../../errors.ts";
import {
  baseOf,
  type Following,
  inTurn,
  NO_FILE,
  type PlacedFile,
  parentOf,
  StagedContent,
  type TargetState,
} from "../../filesystem/index.ts";
import { headerReader, type NodeRequest, type Query } from "../../http/index.ts";
import { clip } from "../../text.ts";
import { checkConditions } from "../file-headers/conditions.ts";
import { metadataOf } from "../file-headers/metadata-headers.ts";
import { flagIn, followingIn, modeIn, type Requester } from "../files/file-request.ts";

/** How a file is stored, from the request's query and headers. */
export interface StoreOptions {
  readonly metadata: Readonly<Record<string, string>>;
  readonly mode: number | undefined;
  readonly following: Following;
  readonly isAtomic: boolean;
  readonly isSynced: boolean;
}

export function storeOptionsOf(request: NodeRequest, query: Query): StoreOptions {
  return {
    metadata: Object.fromEntries(metadataOf(request)),
    mode: modeIn(query),
    following: followingIn(query),
    isAtomic: flagIn(query, "atomic"),
    isSynced: flagIn(query, "sync"),
  };
}

export function requiredPath(requester: Requester, query: Query): Buffer {
  const path = query.bytes("path");
  if (path === undefined || path.length === 0)
    throw new HoldfastError("invalid_argument", "path is missing: name the file in the query, ?path=…");
  return requester.resolve(path);
}

export interface Target {
  readonly state: TargetState;
  /** The version that the file must still have at the end; undefined: any. */
  readonly expected: string | undefined;
}

/** Throws if no file can be stored at `path`, or if the conditions of the request do not hold. */
export async function lookAt(
  { files }: Requester,
  path: Buffer,
  request: NodeRequest,
  following: Following = "all",
): Promise<Target> {
  const state = await files.call("targetState", [path, following]);
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

export function stagedFor({ files }: Requester, path: Buffer, bufferBytes: number): StagedContent {
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
  requester: Pick<Requester, "files" | "owner">,
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
