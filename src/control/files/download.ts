// GET and HEAD /files: one file, or ranges of it.

import { createGzip } from "node:zlib";
import { HoldfastError } from "../../errors.ts";
import { baseOf, closeFile, copyOut, type OpenFile, sendOut } from "../../filesystem/index.ts";
import {
  type HeaderReader,
  headerReader,
  isGoneClient,
  type NodeRequest,
  type NodeResponse,
  type Query,
} from "../../http/index.ts";
import { kernelRandomUuid } from "../../linux/index.ts";
import { type ByteRange, chooseRanges } from "../file-headers/byte-ranges.ts";
import {
  checkConditions,
  compressedEtag,
  doesRangeApply,
  hasConditions,
} from "../file-headers/conditions.ts";
import { chooseCoding } from "../file-headers/content-coding.ts";
import { contentDisposition } from "../file-headers/content-disposition.ts";
import { isCompressible, mediaType, SNIFFED_BYTES } from "../file-headers/media-type.ts";
import { answerFileJson } from "./file-answer.ts";
import { followingIn, requesterOf } from "./file-request.ts";
import type { FileService } from "./file-service.ts";
import { createSender, type Sender } from "./send.ts";
import type { TransferShare } from "./transfer-memory.ts";

/** Fast: the sandbox's CPU matters more than the last percent. */
const GZIP_LEVEL = 1;

export async function download(
  service: FileService,
  request: NodeRequest,
  response: NodeResponse,
  query: Query,
): Promise<void> {
  const { files, resolve } = await requesterOf(
    request,
    query.text("username"),
    service.access,
    service.defaults,
  );
  const path = resolve(query.bytes("path") ?? Buffer.alloc(0));
  const opened = await files.call("openFile", [path, followingIn(query), SNIFFED_BYTES]);
  try {
    await answer(service, request, response, { path, opened });
  } finally {
    await closeFile(opened.fd);
  }
}

interface FoundFile {
  /** As the client named it. */
  readonly path: Buffer;
  readonly opened: OpenFile;
}

async function answer(
  service: FileService,
  request: NodeRequest,
  response: NodeResponse,
  { path, opened }: FoundFile,
): Promise<void> {
  const header = headerReader(request);
  const type = mediaType(baseOf(Buffer.from(opened.reached)).toString(), Buffer.from(opened.firstBytes));
  const isConditional = hasConditions(header);
  const coding = chooseCoding(
    header.get("Accept-Encoding"),
    isCompressible(type) && !isConditional && opened.bytes > 0,
  );
  if (coding === undefined || (isConditional && coding !== "identity"))
    return answerFileJson(response, 406, { code: 406, message: notAcceptable(isConditional) });
  const current = { etag: `"${opened.version}"`, modifiedMs: opened.modifiedMs };
  const common = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-cache",
    "Content-Disposition": contentDisposition(baseOf(path)),
    // Pages that are files of the sandbox must not act as pages of the agent.
    "Content-Security-Policy": "sandbox allow-scripts",
    "Last-Modified": new Date(opened.modifiedMs).toUTCString(),
    "X-Content-Type-Options": "nosniff",
    ETag: coding === "gzip" ? compressedEtag(current.etag) : current.etag,
    Vary: vary(response),
  };
  const condition = checkConditions(header, current, true);
  if (condition === "not-modified")
    return void response.writeHead(304, { ...common, ETag: knownEtag(header, current.etag) }).end();
  if (condition === "failed")
    return answerFileJson(response, 412, { code: 412, message: changed(path) }, common);
  if (coding === "gzip") {
    const head = { ...common, "Content-Type": type, "Content-Encoding": "gzip" };
    if (request.method === "HEAD") return void response.writeHead(200, head).end();
    const share = service.memory.open();
    response.writeHead(200, head);
    return await sendGzip(service, response, opened, share);
  }
  const asked = doesRangeApply(header, current)
    ? chooseRanges(header.get("Range") ?? undefined, opened.bytes)
    : "whole";
  if (asked === "unsatisfiable") {
    const message = `the file has ${opened.bytes} bytes; no range of "${header.get("Range")}" begins before that`;
    const headers = { ...common, "Content-Range": `bytes */${opened.bytes}` };
    return answerFileJson(response, 416, { code: 416, message }, headers);
  }
  const body = bodyOf(asked, type, opened.bytes);
  const status = asked === "whole" ? 200 : 206;
  const head = { ...common, ...body.headers };
  if (request.method === "HEAD") return void response.writeHead(status, head).end();
  // Before the head is sent: without memory for it, the answer is an error.
  const share = service.memory.open(Math.max(0, ...body.parts.map(lengthOf)));
  response.writeHead(status, head);
  await sendParts(service, response, { opened, parts: body.parts, share });
}

/** Text of the answer itself, or a range of the file. */
type BodyPart = Buffer | ByteRange;

interface Body {
  readonly headers: Readonly<Record<string, string | number>>;
  readonly parts: readonly BodyPart[];
}

/** Several ranges travel as multipart/byteranges. */
function bodyOf(ranges: "whole" | readonly ByteRange[], type: string, size: number): Body {
  if (ranges === "whole") {
    const parts = size === 0 ? [] : [{ start: 0, end: size - 1 }];
    return { headers: { "Content-Type": type, "Content-Length": size }, parts };
  }
  const [only] = ranges;
  if (ranges.length === 1 && only !== undefined) {
    const headers = {
      "Content-Type": type,
      "Content-Length": lengthOf(only),
      "Content-Range": contentRange(only, size),
    };
    return { headers, parts: ranges };
  }
  const boundary = kernelRandomUuid();
  const parts = ranges.flatMap((range, index): BodyPart[] => {
    const head = `--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: ${contentRange(range, size)}\r\n\r\n`;
    return [Buffer.from(index === 0 ? head : `\r\n${head}`), range];
  });
  parts.push(Buffer.from(`\r\n--${boundary}--\r\n`));
  const bytes = parts.reduce((sum, part) => sum + lengthOf(part), 0);
  const headers = { "Content-Type": `multipart/byteranges; boundary=${boundary}`, "Content-Length": bytes };
  return { headers, parts };
}

function contentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end}/${size}`;
}

function lengthOf(part: BodyPart): number {
  return Buffer.isBuffer(part) ? part.length : part.end - part.start + 1;
}

interface SentParts {
  readonly opened: OpenFile;
  readonly parts: readonly BodyPart[];
  /** Is released here. */
  readonly share: TransferShare;
}

async function sendParts(
  service: FileService,
  response: NodeResponse,
  { opened: { fd }, parts, share }: SentParts,
): Promise<void> {
  const sender = createSender(response, service.idleMs, service.logger);
  try {
    for (const part of parts) {
      if (Buffer.isBuffer(part)) await sender.send(part);
      else await sendRange(fd, part, share, sender);
    }
    sender.end();
  } catch (error) {
    giveUp(error, response, service);
  } finally {
    sender.stop();
    share.release();
  }
}

async function sendRange(fd: number, range: ByteRange, share: TransferShare, sender: Sender): Promise<void> {
  const part = { fd, start: range.start, end: range.end + 1, send: sender.send };
  const socket = lengthOf(range) > share.bufferBytes ? sender.directSocket() : undefined;
  if (socket === undefined) await copyOut({ ...part, buffers: share.buffers() });
  else await sendOut({ ...part, buffer: share.buffer(), socket, onProgress: sender.noteProgress });
}

async function sendGzip(
  service: FileService,
  response: NodeResponse,
  { fd, bytes }: OpenFile,
  share: TransferShare,
): Promise<void> {
  const sender = createSender(response, service.idleMs, service.logger);
  const gzip = createGzip({ level: GZIP_LEVEL });
  gzip.on("error", () => {
    // Reported by the piece that is being compressed.
  });
  try {
    const sending = sendAll(gzip, sender);
    // Reported by the await below; it can fail while a piece is still being compressed.
    sending.catch(() => gzip.destroy());
    let rejectPiece: ((error: Error) => void) | undefined;
    // Node does not call back for a piece of a compressor that was destroyed.
    gzip.once("close", () =>
      rejectPiece?.(Object.assign(new Error("the client left"), { code: "ECONNRESET" })),
    );
    const send = (piece: Buffer) =>
      new Promise<void>((resolve, reject) => {
        rejectPiece = reject;
        gzip.write(piece, (error) => (error ? reject(error) : resolve()));
      });
    await copyOut({ fd, start: 0, end: bytes, buffers: share.buffers(), send });
    gzip.end();
    await sending;
    sender.end();
  } catch (error) {
    giveUp(error, response, service);
  } finally {
    gzip.destroy();
    sender.stop();
    share.release();
  }
}

async function sendAll(pieces: AsyncIterable<Buffer>, { send }: Pick<Sender, "send">): Promise<void> {
  for await (const piece of pieces) await send(piece);
}

/** The head was sent: only a broken connection tells the client that the body is not complete. */
function giveUp(error: unknown, response: NodeResponse, { logger }: FileService): void {
  if (!isGoneClient(error)) {
    if (error instanceof HoldfastError) logger.info({ err: error }, "a download ended early");
    else logger.error({ err: error }, "a download failed");
  }
  response.destroy();
}

/** The answer that the client has: only that one is updated by a 304 with its ETag. */
function knownEtag(header: HeaderReader, etag: string): string {
  const list = header.get("If-None-Match") ?? "";
  return !list.includes(etag) && list.includes(compressedEtag(etag)) ? compressedEtag(etag) : etag;
}

function vary(response: NodeResponse): string {
  return response.hasHeader("Vary")
    ? `Accept-Encoding, ${String(response.getHeader("Vary"))}`
    : "Accept-Encoding";
}

function changed(path: Buffer): string {
  return `the file "${baseOf(path).toString()}" is not the version that the request names`;
}

function notAcceptable(isConditional: boolean): string {
  return isConditional
    ? "a range or a conditional answer is not compressed, and Accept-Encoding refuses identity"
    : "Accept-Encoding accepts neither identity nor gzip";
}
