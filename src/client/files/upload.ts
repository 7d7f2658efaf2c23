// One file, sent in parts by the agent's protocol for resumable uploads. The client chooses the id of the upload, so that
// it can continue even if the first answer was lost. The agent accepts each byte once, and stores the file once.

import { AbortScope } from "../abort.ts";
import { ClientError } from "../client-errors.ts";
import type { AgentLink } from "../transport/connection.ts";
import type { HttpAnswer } from "../transport/http-client.ts";
import { contentDigest } from "./digest.ts";
import { textOf } from "./file-errors.ts";
import { sizeOf } from "./pieces.ts";
import { Exchange, FailedTransfer, type FileRequest, filesPath, finalFailure, Tries } from "./transfer.ts";
import type { StoredFile, UploadContent, UploadOptions } from "./types.ts";
import { UnacceptedContent } from "./unaccepted.ts";

/** A part that is lost is sent again, and progress is reported after each: slow connections get small parts. */
const MIN_PART_BYTES = 64 * 1024;
const FIRST_PART_BYTES = 1024 * 1024;
const MAX_PART_BYTES = 8 * 1024 * 1024;
/** How the agent's message begins. The part can be sent again. */
const WRONG_DIGEST = "Content-Digest is ";
const QUICK_PART_MS = 500;
const SLOW_PART_MS = 2000;

export async function uploadFile(
  link: AgentLink,
  path: string,
  content: UploadContent,
  options: UploadOptions = {},
): Promise<StoredFile> {
  const scope = new AbortScope(link.closed, options.signal);
  const upload = new Upload(link, path, content, { ...options, signal: scope.signal });
  try {
    scope.signal.throwIfAborted();
    return await upload.run(scope.signal);
  } catch (error) {
    upload.giveUp();
    throw error;
  } finally {
    scope.release();
  }
}

class Upload {
  readonly #link: AgentLink;
  readonly #path: string;
  readonly #options: UploadOptions;
  readonly #content: UnacceptedContent;
  readonly #tries: Tries;
  readonly #totalBytes: number | undefined;
  readonly #id: string;
  #partBytes = FIRST_PART_BYTES;
  /** Whether the agent knows the upload. */
  #isCreated = false;
  /** Whether the agent may know it. */
  #isTried = false;

  constructor(link: AgentLink, path: string, content: UploadContent, options: UploadOptions) {
    this.#link = link;
    this.#id = link.settings.randomId();
    this.#path = path;
    this.#options = options;
    this.#content = new UnacceptedContent(content);
    this.#tries = new Tries(link, options);
    this.#totalBytes = options.totalBytes ?? sizeOf(content);
  }

  async run(signal: AbortSignal): Promise<StoredFile> {
    for (;;) {
      await this.#content.hold(this.#partBytes + 1, signal);
      try {
        const stored = await this.#sendPart();
        if (stored !== undefined) return stored;
      } catch (error) {
        this.#partBytes = Math.max(MIN_PART_BYTES, this.#partBytes / 2);
        await this.#tries.afterFailure(error);
      }
    }
  }

  /** After a failure: the agent need not keep its part. */
  giveUp(): void {
    this.#content.close();
    if (!this.#isTried || this.#link.closed.aborted) return;
    const { user } = this.#options;
    const exchange = new Exchange(this.#link, user === undefined ? {} : { user });
    exchange
      .send({ method: "DELETE", path: this.#uploadPath })
      .catch(() => {
        // The agent drops it later by itself.
      })
      .finally(() => exchange.close());
  }

  get #uploadPath(): string {
    return `/files/uploads/${this.#id}`;
  }

  /** Undefined: there is more to send. */
  async #sendPart(): Promise<StoredFile | undefined> {
    const { clock } = this.#link.settings;
    const part = this.#content.part(this.#partBytes);
    const digest = await contentDigest(part.slices(), part.bytes);
    const exchange = new Exchange(this.#link, this.#options);
    const startedMs = clock.nowMs();
    this.#isTried = true;
    try {
      const head = this.#head(part.isLast);
      const answer = await exchange.send({
        ...head,
        headers: { ...head.headers, ...(digest === undefined ? {} : { "Content-Digest": digest }) },
        ...(part.bytes === 0 ? {} : { body: part.slices() }),
        length: part.bytes,
      });
      const readable = { ...answer, body: exchange.read(answer) };
      if (answer.status === 200 && part.isLast) return await this.#stored(readable);
      await this.#takeAnswer(exchange, readable);
    } finally {
      exchange.close();
    }
    this.#fitPart(clock.nowMs() - startedMs);
    return undefined;
  }

  async #takeAnswer(exchange: Exchange, answer: HttpAnswer): Promise<void> {
    const { status } = answer;
    const offset = answer.header("Upload-Offset");
    const isAccepted = status === 201 || status === 204;
    if (this.#isCreated && status === 404) this.#startAgain();
    if (status === 200)
      throw new ClientError("unimplemented", "the other side does not know resumable uploads");
    if (status === 412 && this.#options.ifAbsent === true)
      throw new ClientError("already_exists", `"${this.#path}" exists, and ifAbsent is set`);
    // 409 with an offset: parts of an earlier try arrived.
    if (!isAccepted && !(status === 409 && offset !== undefined)) await this.#refuse(exchange, answer);
    // An answer that is not read to its end costs the connection.
    await textOf(answer);
    if (offset === undefined || !/^\d{1,15}$/.test(offset))
      throw new ClientError("unimplemented", "the answer has no Upload-Offset");
    this.#continueAt(Number(offset));
  }

  async #refuse(exchange: Exchange, answer: HttpAnswer): Promise<never> {
    try {
      return await exchange.refuse(answer, this.#path);
    } catch (error) {
      if (!(error instanceof FailedTransfer) || !error.message.startsWith(WRONG_DIGEST)) throw error;
      throw new ClientError("unavailable", `a part changed on its way: ${error.message}`);
    }
  }

  #continueAt(offset: number): void {
    const { start } = this.#content;
    const wasCreated = this.#isCreated;
    this.#isCreated = true;
    this.#content.accept(offset);
    if (offset > start) {
      this.#tries.succeeded();
      this.#report(offset);
    } else if (wasCreated)
      throw new ClientError("aborted", `the agent accepted nothing after byte ${offset}`);
  }

  /** The agent was restarted, or the upload expired. */
  #startAgain(): never {
    const { start } = this.#content;
    this.#isCreated = false;
    const message = `the agent no longer has the first ${start} bytes of the upload`;
    if (this.#content.restart()) throw new ClientError("unavailable", message);
    throw finalFailure(new ClientError("data_loss", `${message}, and a stream cannot be sent again`));
  }

  async #stored(answer: HttpAnswer): Promise<StoredFile> {
    const [file] = filesIn(await textOf(answer));
    const size = Number(answer.header("Upload-Offset") ?? Number.NaN);
    const total = Number.isNaN(size) ? (this.#totalBytes ?? 0) : size;
    this.#report(total);
    return { ...file, size: total, etag: answer.header("ETag") ?? "" };
  }

  #head(isLast: boolean): Pick<FileRequest, "method" | "path" | "headers"> {
    const complete = { "Upload-Complete": isLast ? "?1" : "?0" };
    if (this.#isCreated)
      return {
        method: "PATCH",
        path: this.#uploadPath,
        headers: {
          ...complete,
          "Content-Type": "application/partial-upload",
          "Upload-Offset": String(this.#content.start),
        },
      };
    const { mode, atomic = false, sync = false } = this.#options;
    const query = {
      path: this.#path,
      upload_id: this.#id,
      mode: mode?.toString(8),
      atomic: atomic ? "true" : undefined,
      sync: sync ? "true" : undefined,
    };
    return {
      method: "POST",
      path: filesPath(query),
      headers: {
        ...complete,
        "Content-Type": "application/octet-stream",
        ...conditionHeaders(this.#options),
      },
    };
  }

  #fitPart(tookMs: number): void {
    if (tookMs < QUICK_PART_MS) this.#partBytes = Math.min(MAX_PART_BYTES, this.#partBytes * 2);
    if (tookMs > SLOW_PART_MS) this.#partBytes = Math.max(MIN_PART_BYTES, this.#partBytes / 2);
  }

  #report(transferredBytes: number): void {
    const totalBytes = this.#totalBytes;
    this.#options.onProgress?.({ transferredBytes, ...(totalBytes === undefined ? {} : { totalBytes }) });
  }
}

function conditionHeaders({
  ifMatch,
  ifAbsent = false,
  metadata = {},
}: UploadOptions): Record<string, string> {
  return {
    ...(ifMatch === undefined ? {} : { "If-Match": ifMatch }),
    ...(ifAbsent ? { "If-None-Match": "*" } : {}),
    ...Object.fromEntries(Object.entries(metadata).map(([key, value]) => [`X-Metadata-${key}`, value])),
  };
}

/** An answer that was cut is repeated by the agent. */
function filesIn(text: string): [{ readonly path: string; readonly name: string }] {
  try {
    const [{ path, name }] = JSON.parse(text);
    return [{ path: String(path), name: String(name) }];
  } catch (cause) {
    throw new ClientError("unavailable", "the answer to the upload was cut", { cause });
  }
}
