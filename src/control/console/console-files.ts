// GET and HEAD below /console/: the files that the console's build wrote, unchanged, in the form
// that the browser accepts. Browsers keep files whose name changes with their content; they ask for
// the page each time.

import { HoldfastError } from "../../errors.ts";
import { headerReader, type NodeRequest, type NodeResponse, pathOf } from "../../http/index.ts";
import { kernelRandomBytes } from "../../linux/index.ts";
import type { Logger } from "../../logger.ts";
import { clip } from "../../text.ts";
import { CONSOLE_PATH } from "../console-paths.ts";
import { acceptedEncoding } from "./accepted-encoding.ts";
import type { FileSource } from "./file-source.ts";
import { fileHeaders, pageHeaders } from "./headers.ts";
import { type ConsoleFile, PAGE, parseManifest } from "./manifest.ts";
import { sendChunks } from "./send-chunks.ts";

export interface ConsoleFilesOptions {
  readonly source: FileSource;
  readonly frameAncestors: readonly string[];
  /** How long a client may accept nothing. */
  readonly idleMs: number;
  readonly logger: Logger;
}

const IMMUTABLE = "public, max-age=31536000, immutable";
/** In index.html, in the place of the nonce. */
const NONCE_PLACE = "HOLDFAST_NONCE";
const MAX_PAGE_BYTES = 16 * 1024;
const suffixes = { br: ".br", gzip: ".gz" } as const;

export class ConsoleFiles {
  readonly #options: ConsoleFilesOptions;
  #manifest: Promise<ReadonlyMap<string, ConsoleFile>> | undefined;

  constructor(options: ConsoleFilesOptions) {
    this.#options = options;
  }

  /** Throws `not_found` for a path that is not a file of the console. */
  async answer(request: NodeRequest, response: NodeResponse): Promise<void> {
    const path = pathOf(request);
    if (!path.startsWith(CONSOLE_PATH)) return redirect(response);
    const name = path.slice(CONSOLE_PATH.length) || PAGE;
    const file = (await this.#files()).get(name);
    if (file === undefined)
      throw new HoldfastError(
        "not_found",
        `the console has no file "${clip(name)}"; it begins at ${CONSOLE_PATH}`,
      );
    if (file.path === PAGE) return await this.#answerPage(file, request, response);
    await this.#answerFile(file, request, response);
  }

  /** Read once. A failed read is repeated by the next request. */
  #files(): Promise<ReadonlyMap<string, ConsoleFile>> {
    this.#manifest ??= this.#options.source.readText("manifest.json").then(parseManifest);
    this.#manifest.catch(() => {
      this.#manifest = undefined;
    });
    return this.#manifest;
  }

  /**
   * The nonce is part of the ETag, because it is part of the content: a browser that has the page of an earlier nonce may
   * keep it, and then needs the policy with that nonce.
   */
  async #answerPage(file: ConsoleFile, request: NodeRequest, response: NodeResponse): Promise<void> {
    const known = knownNonce(headerReader(request).get("If-None-Match"), file.sha256);
    const nonce = known ?? kernelRandomBytes(16).toString("base64url");
    const head = {
      ...pageHeaders(nonce, this.#options.frameAncestors),
      "Cache-Control": "no-cache",
      ETag: `"${shortHash(file.sha256)}.${nonce}"`,
    };
    if (known !== undefined) return void response.writeHead(304, head).end();
    const text = await this.#options.source.readText(file.path);
    if (text.length > MAX_PAGE_BYTES) throw new Error(`${PAGE} has more than ${MAX_PAGE_BYTES} bytes`);
    const page = text.replaceAll(NONCE_PLACE, nonce);
    response.writeHead(200, {
      ...head,
      "Content-Type": file.type,
      "Content-Length": Buffer.byteLength(page),
    });
    // Node leaves out the body of an answer to HEAD.
    response.end(page);
  }

  async #answerFile(file: ConsoleFile, request: NodeRequest, response: NodeResponse): Promise<void> {
    const header = headerReader(request);
    const encoding = acceptedEncoding(header.get("Accept-Encoding"), file.encodings);
    const hash = shortHash(file.sha256);
    const etag = encoding === undefined ? `"${hash}"` : `"${hash}-${encoding}"`;
    const head = {
      ...fileHeaders(this.#options.frameAncestors),
      "Cache-Control": file.isImmutable ? IMMUTABLE : "no-cache",
      ...(file.encodings.length === 0 ? {} : { Vary: "Accept-Encoding" }),
      ETag: etag,
    };
    if (namesTag(header.get("If-None-Match"), etag)) return void response.writeHead(304, head).end();
    const name = encoding === undefined ? file.path : file.path + suffixes[encoding];
    const content = await this.#options.source.open(name);
    try {
      response.writeHead(200, {
        ...head,
        "Content-Type": file.type,
        "Content-Length": content.bytes,
        ...(encoding === undefined ? {} : { "Content-Encoding": encoding }),
      });
      if (request.method === "HEAD") return void response.end();
      await sendChunks(response, content.chunks, this.#options.idleMs, this.#options.logger);
    } finally {
      await content.close();
    }
  }
}

/** Relative, so that it is right below any prefix that a proxy adds. */
function redirect(response: NodeResponse): void {
  response.writeHead(308, { Location: "console/", "Cache-Control": "no-cache" });
  response.end();
}

function shortHash(sha256: string): string {
  return sha256.slice(0, 32);
}

/** The nonce of the page that the browser has, if that is the present page. */
function knownNonce(ifNoneMatch: string | null, sha256: string): string | undefined {
  for (const [, hash, nonce] of (ifNoneMatch ?? "").matchAll(/"([\da-f]{32})\.([\w-]{22})"/g))
    if (hash === shortHash(sha256)) return nonce;
  return undefined;
}

function namesTag(ifNoneMatch: string | null, etag: string): boolean {
  if (ifNoneMatch === null) return false;
  return ifNoneMatch.trim() === "*" || [...ifNoneMatch.matchAll(/"[^"]*"/g)].some(([tag]) => tag === etag);
}
