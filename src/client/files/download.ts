// The content of one file, over as many connections as that needs. Each later connection asks for the bytes that are
// missing, of the same version (Range, If-Range): bytes of two versions are never mixed.

import { AbortScope } from "../abort.ts";
import { ClientError, FileChangedError } from "../client-errors.ts";
import type { AgentLink } from "../transport/connection.ts";
import type { HttpAnswer } from "../transport/http-client.ts";
import { bytesOf, streamOf } from "./pieces.ts";
import { Exchange, filesPath, openInTries, Tries } from "./transfer.ts";
import type { DownloadOptions, FileDownload } from "./types.ts";

/** The first answer, and its description of the file. */
interface Opened {
  readonly exchange: Exchange;
  readonly answer: HttpAnswer;
  readonly version: Version;
}

interface Version {
  /** Empty if the other side has none: such a download cannot be continued. */
  readonly etag: string;
  readonly size: number;
  /** The bytes to come are [from, to). */
  readonly from: number;
  readonly to: number;
}

export async function openDownload(
  link: AgentLink,
  path: string,
  options: DownloadOptions = {},
): Promise<FileDownload> {
  const scope = new AbortScope(options.signal);
  const call = { ...options, signal: scope.signal };
  const tries = new Tries(link, call);
  const headers = {
    ...rangeHeader(options),
    ...(options.ifMatch === undefined ? {} : { "If-Match": options.ifMatch }),
  };
  try {
    return await openInTries(link, call, tries, async (exchange) => {
      const answer = await request(exchange, path, headers);
      const version = versionIn(answer, headers.Range !== undefined);
      tries.succeeded();
      return new Download({ link, path, options: call, scope, tries }, { exchange, answer, version });
    });
  } catch (error) {
    scope.release();
    throw error;
  }
}

interface DownloadContext {
  readonly link: AgentLink;
  readonly path: string;
  readonly options: DownloadOptions;
  readonly scope: AbortScope;
  readonly tries: Tries;
}

class Download implements FileDownload {
  readonly size: number;
  readonly etag: string;
  readonly mediaType: string;
  readonly modifiedAt?: Date;
  readonly #context: DownloadContext;
  readonly #version: Version;
  #open: { readonly exchange: Exchange; readonly answer: HttpAnswer } | undefined;
  #position: number;
  #isTaken = false;

  constructor(context: DownloadContext, { exchange, answer, version }: Opened) {
    this.#context = context;
    this.#version = version;
    this.#open = { exchange, answer };
    this.#position = version.from;
    this.size = version.size;
    this.etag = version.etag;
    this.mediaType = answer.header("Content-Type") ?? "application/octet-stream";
    const modified = Date.parse(answer.header("Last-Modified") ?? "");
    if (!Number.isNaN(modified)) this.modifiedAt = new Date(modified);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    if (this.#isTaken)
      throw new ClientError("failed_precondition", "this download was read already: start another one");
    this.#isTaken = true;
    return this.#pieces();
  }

  bytes(): Promise<Uint8Array> {
    return bytesOf(this, this.#version.to - this.#version.from);
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes());
  }

  stream(): ReadableStream<Uint8Array> {
    return streamOf(this);
  }

  cancel(): void {
    this.#context.scope.abort(new ClientError("canceled", "the download was canceled"));
    this.#release();
  }

  async *#pieces(): AsyncGenerator<Uint8Array, void, void> {
    try {
      while (this.#position < this.#version.to) {
        const piece = await this.#next();
        if (piece === undefined) continue;
        this.#position += piece.length;
        this.#report();
        yield piece;
      }
      // At the end of the answer its connection can be used again.
      await this.#reading?.next().catch(() => {
        // The content is complete.
      });
    } finally {
      this.#release();
    }
  }

  #reading: AsyncIterator<Uint8Array> | undefined;

  /** Undefined: the connection was lost, and the wait before the next try is over. */
  async #next(): Promise<Uint8Array | undefined> {
    const { tries } = this.#context;
    try {
      this.#open ??= await this.#continue();
      this.#reading ??= this.#open.exchange.read(this.#open.answer);
      const { done, value } = await this.#reading.next();
      const left = this.#version.to - this.#position;
      if (done === true)
        throw new ClientError("unavailable", `the connection ended ${left} bytes before the end of the file`);
      if (value.length > left)
        throw new ClientError("data_loss", `the answer has more than the ${left} bytes that were left`);
      tries.succeeded();
      return value;
    } catch (error) {
      this.#open?.exchange.close();
      this.#open = undefined;
      this.#reading = undefined;
      await tries.afterFailure(error);
      return undefined;
    }
  }

  /** Asks for the rest of the same version. */
  async #continue() {
    const { link, path, options } = this.#context;
    const { etag, to } = this.#version;
    if (etag === "")
      throw new ClientError(
        "failed_precondition",
        "the file has no ETag, so the download cannot be continued",
      );
    const exchange = new Exchange(link, options);
    try {
      const headers = { Range: `bytes=${this.#position}-${to - 1}`, "If-Range": etag };
      const answer = await exchange.send(fileRequest(path, headers));
      const { status } = answer;
      // The whole of another version, or a proxy's page.
      if (status === 200) assertFile(answer);
      // 416: the file is shorter now.
      if (status === 200 || status === 416) throw changed(path);
      if (status !== 206) await exchange.refuse(answer, path);
      const now = versionIn(answer, true);
      if (now.etag !== etag) throw changed(path);
      if (now.from !== this.#position || now.to !== to)
        throw new ClientError("data_loss", `the answer has the bytes [${now.from}, ${now.to}) of the file`);
      return { exchange, answer };
    } catch (error) {
      exchange.close();
      throw error;
    }
  }

  #report(): void {
    const { from, to } = this.#version;
    this.#context.options.onProgress?.({
      transferredBytes: this.#position - from,
      totalBytes: to - from,
    });
  }

  #release(): void {
    this.#open?.exchange.close();
    this.#open = undefined;
    this.#context.scope.release();
  }
}

async function request(exchange: Exchange, path: string, headers: Readonly<Record<string, string>>) {
  const answer = await exchange.send(fileRequest(path, headers));
  if (answer.status !== 200 && answer.status !== 206) await exchange.refuse(answer, path);
  return answer;
}

function fileRequest(path: string, headers: Readonly<Record<string, string>>) {
  // Offsets count the bytes of the file, not those of a compressed form. Browsers ignore this header.
  return {
    method: "GET",
    path: filesPath({ path }),
    headers: { ...headers, "Accept-Encoding": "identity" },
  } as const;
}

function rangeHeader({ offset = 0, length }: DownloadOptions): { readonly Range?: string } {
  if (!Number.isSafeInteger(offset) || offset < 0)
    throw new ClientError("invalid_argument", `offset is ${offset}, must be a whole number, 0 or more`);
  if (length !== undefined && (!Number.isSafeInteger(length) || length < 1))
    throw new ClientError("invalid_argument", `length is ${length}, must be a whole number, 1 or more`);
  if (offset === 0 && length === undefined) return {};
  return { Range: `bytes=${offset}-${length === undefined ? "" : offset + length - 1}` };
}

/** Throws for a proxy's page, and for content whose bytes are not those of the file. */
function assertFile({ header }: HttpAnswer): void {
  const etag = header("ETag") ?? "";
  if (etag === "" && header("Last-Modified") === undefined)
    throw new ClientError(
      "unknown",
      `the answer (${header("Content-Type") ?? "without a type"}) has neither ETag nor Last-Modified: it is not a file of the agent`,
    );
  const coding = header("Content-Encoding") ?? "identity";
  if (coding.toLowerCase() !== "identity")
    throw new ClientError(
      "unimplemented",
      `the answer is compressed (${coding}), although the client did not ask for that: something on the way changed it`,
    );
}

function versionIn(answer: HttpAnswer, isRange: boolean): Version {
  assertFile(answer);
  const etag = answer.header("ETag") ?? "";
  if (isRange !== (answer.status === 206))
    throw new ClientError("unimplemented", `the other side does not serve ranges (HTTP ${answer.status})`);
  if (!isRange) {
    const length = answer.header("Content-Length") ?? "";
    if (!/^\d+$/.test(length))
      throw new ClientError(
        "unimplemented",
        "the answer has no Content-Length: something on the way changed it",
      );
    return { etag, size: Number(length), from: 0, to: Number(length) };
  }
  const [, first, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.header("Content-Range") ?? "") ?? [];
  if (first === undefined)
    throw new ClientError(
      "unimplemented",
      "the answer has no Content-Range: something on the way changed it",
    );
  return { etag, size: Number(size), from: Number(first), to: Number(last) + 1 };
}

function changed(path: string): FileChangedError {
  return new FileChangedError(path, `"${path}" changed during the download: start again`);
}
