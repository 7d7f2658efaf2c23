// Directories as archives, in one request each way.

import { AbortScope } from "../abort.ts";
import { ClientError } from "../client-errors.ts";
import { toFailure } from "../retry/failures.ts";
import type { AgentLink } from "../transport/connection.ts";
import type { HttpAnswer } from "../transport/http-client.ts";
import { reportedError } from "./file-errors.ts";
import { piecesOf, streamOf } from "./pieces.ts";
import { Exchange, FailedTransfer, filesPath, openInTries, Tries } from "./transfer.ts";
import type {
  DirectoryDownload,
  DirectoryDownloadOptions,
  DirectorySummary,
  DirectoryUploadOptions,
  SkippedEntry,
  UnpackedDirectory,
  UploadContent,
} from "./types.ts";

export async function downloadDirectory(
  link: AgentLink,
  path: string,
  options: DirectoryDownloadOptions = {},
): Promise<DirectoryDownload> {
  const { format = "tar", exclude, signal } = options;
  const scope = new AbortScope(signal);
  const call = { ...options, signal: scope.signal };
  const tries = new Tries(link, { signal: scope.signal });
  try {
    return await openInTries(link, call, tries, async (exchange) => {
      const answer = await exchange.send({ method: "GET", path: filesPath({ path, format, exclude }) });
      if (answer.status !== 200) await exchange.refuse(answer, path);
      assertType(answer, "application/");
      exchange.keep();
      return archiveOf(link, { exchange, answer, scope }, options);
    });
  } catch (error) {
    scope.release();
    throw error;
  }
}

/** Throws for a proxy's page. */
function assertType({ header }: HttpAnswer, expected: string): void {
  const type = header("Content-Type") ?? "without a type";
  if (type.startsWith(expected)) return;
  throw new ClientError(
    "unknown",
    `the answer (${type}) is not the agent's, whose type begins with ${expected}`,
  );
}

interface OpenArchive {
  readonly exchange: Exchange;
  readonly answer: HttpAnswer;
  readonly scope: AbortScope;
}

function archiveOf(
  link: AgentLink,
  { exchange, answer, scope }: OpenArchive,
  { onProgress }: DirectoryDownloadOptions,
): DirectoryDownload {
  const { readsTrailers } = link.http;
  let summary: DirectorySummary | undefined;
  let isTaken = false;
  const close = () => {
    exchange.close();
    scope.release();
  };
  async function* pieces(): AsyncGenerator<Uint8Array, void, void> {
    let bytes = 0;
    try {
      for await (const piece of exchange.read(answer)) {
        bytes += piece.length;
        onProgress?.({ bytes });
        yield piece;
      }
      summary = summaryIn(answer);
      if (summary === undefined && readsTrailers)
        throw new ClientError("unavailable", `the connection was lost after ${bytes} bytes of the archive`);
    } catch (error) {
      throw errorOf(error);
    } finally {
      close();
    }
  }
  const download: DirectoryDownload = {
    get summary() {
      return summary;
    },
    [Symbol.asyncIterator]: () => {
      if (isTaken)
        throw new ClientError("failed_precondition", "this download was read already: start another one");
      isTaken = true;
      return pieces();
    },
    stream: () => streamOf(download),
    cancel: () => {
      scope.abort(new ClientError("canceled", "the download was canceled"));
      close();
    },
  };
  return download;
}

function summaryIn(answer: HttpAnswer): DirectorySummary | undefined {
  const count = (name: string) => Number(answer.trailer(`X-Archive-${name}`) ?? Number.NaN);
  const files = count("Files");
  if (Number.isNaN(files)) return undefined;
  return {
    files,
    directories: count("Directories"),
    links: count("Links"),
    bytes: count("Bytes"),
    skipped: count("Skipped"),
    skippedEntries: skippedIn(answer.trailer("X-Archive-Skipped-Entries")),
  };
}

/** None of an agent that does not name them. */
function skippedIn(text: string | undefined): readonly SkippedEntry[] {
  return text === undefined ? [] : JSON.parse(decodeURIComponent(text));
}

export async function uploadDirectory(
  link: AgentLink,
  path: string,
  archive: UploadContent,
  options: DirectoryUploadOptions = {},
): Promise<UnpackedDirectory> {
  const { format = "tar", exclude, links, owner, onProgress } = options;
  const exchange = new Exchange(link, options);
  exchange.keep();
  try {
    const answer = await exchange.send({
      method: "POST",
      path: filesPath({ path, format, exclude, links, owner }),
      headers: { "Content-Type": "application/octet-stream", Accept: UNPACK_EVENTS },
      body: piecesOf(archive),
    });
    if (answer.status !== 200) await exchange.refuse(answer, path);
    assertType(answer, UNPACK_EVENTS);
    for await (const line of linesOf(exchange.read(answer))) {
      const event: UnpackEvent = JSON.parse(line);
      if (event.progress !== undefined) onProgress?.(event.progress);
      if (event.error !== undefined) throw reportedError(event.error.code, event.error.message);
      if (event.result !== undefined) {
        const { files, bytes } = event.result;
        onProgress?.({ files, bytes });
        return unpacked(event.result);
      }
    }
    throw new ClientError("unavailable", "the connection was lost before the archive was unpacked");
  } catch (error) {
    throw errorOf(error);
  } finally {
    exchange.close();
  }
}

/** One JSON text a line. */
const UNPACK_EVENTS = "application/x-ndjson";

interface UnpackEvent {
  readonly progress?: { readonly files: number; readonly bytes: number };
  readonly error?: { readonly code: number; readonly message: string };
  readonly result?: UnpackResult;
}

interface UnpackResult {
  readonly path: string;
  readonly files: number;
  readonly directories: number;
  readonly links: number;
  readonly bytes: number;
  readonly skipped: readonly SkippedEntry[];
  readonly skipped_count: number;
}

function unpacked({ skipped, skipped_count: count, ...rest }: UnpackResult): UnpackedDirectory {
  return { ...rest, skipped: count, skippedEntries: skipped };
}

async function* linesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of pieces) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** An error of the caller's own archive, and the reason of an abort, are passed on unchanged. */
function errorOf(error: unknown): unknown {
  if (error instanceof FailedTransfer) return error.failure.error;
  return isOfConnection(error) ? toFailure(error).error : error;
}

function isOfConnection(error: unknown): boolean {
  return error instanceof Error && "code" in error && !(error instanceof ClientError);
}
