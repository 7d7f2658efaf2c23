// GET /files?path=D&format=tar: a directory in one answer. Its trailers count the content.

import {
  baseOf,
  closeFile,
  type PackProgress,
  packTree,
  pathFilter,
  type SkippedEntry,
} from "../../filesystem/index.ts";
import { isGoneClient, type NodeRequest, type NodeResponse, type Query } from "../../http/index.ts";
import { contentDisposition } from "../file-headers/content-disposition.ts";
import { type ArchiveFormat, compressed, mediaTypeOf } from "./archive-format.ts";
import { requesterOf } from "./file-request.ts";
import type { FileService } from "./file-service.ts";
import { createSender } from "./send.ts";
import type { TransferShare } from "./transfer-memory.ts";

const TRAILERS = [
  "X-Archive-Files",
  "X-Archive-Directories",
  "X-Archive-Links",
  "X-Archive-Bytes",
  "X-Archive-Skipped",
  "X-Archive-Skipped-Entries",
];
/** Clients refuse trailers above 16 KiB. */
const MAX_SKIPPED_TEXT = 8 * 1024;

export async function downloadDirectory(
  service: FileService,
  request: NodeRequest,
  response: NodeResponse,
  query: Query,
  format: ArchiveFormat,
): Promise<void> {
  const { files, resolve } = await requesterOf(
    request,
    query.text("username"),
    service.access,
    service.defaults,
  );
  const path = resolve(query.bytes("path") ?? Buffer.alloc(0));
  const isExcluded = pathFilter(query.all("exclude"));
  const root = await files.call("openTree", [path]);
  try {
    // Before the head is sent: without memory for it, the answer is an error.
    const share = request.method === "HEAD" ? undefined : service.memory.open();
    const name = Buffer.concat([baseOf(withoutSlash(path)), Buffer.from(`.${format}`)]);
    response.writeHead(200, {
      "Cache-Control": "no-store",
      "Content-Disposition": contentDisposition(name).replace("inline", "attachment"),
      "Content-Type": mediaTypeOf(format),
      "X-Content-Type-Options": "nosniff",
      Trailer: TRAILERS.join(", "),
    });
    if (share === undefined) return void response.end();
    await send(service, response, share, (bufferBytes, progress, signal) =>
      compressed(format, packTree({ files, root, isExcluded, progress, bufferBytes, signal })),
    );
  } finally {
    await closeFile(root.fd);
  }
}

async function send(
  { idleMs, logger }: Pick<FileService, "idleMs" | "logger">,
  response: NodeResponse,
  share: TransferShare,
  archive: (bufferBytes: number, progress: PackProgress, signal: AbortSignal) => AsyncIterable<Uint8Array>,
): Promise<void> {
  const progress: PackProgress = {
    ...{ files: 0, directories: 0, links: 0, bytes: 0, skipped: [], skippedCount: 0 },
  };
  const abort = new AbortController();
  const onClose = () => abort.abort();
  response.once("close", onClose);
  const sender = createSender(response, idleMs, logger);
  try {
    for await (const piece of archive(share.bufferBytes, progress, abort.signal)) await sender.send(piece);
    const { files, directories, links, bytes, skipped, skippedCount } = progress;
    const values = [files, directories, links, bytes, skippedCount, textOf(skipped)];
    response.addTrailers(Object.fromEntries(TRAILERS.map((name, index) => [name, String(values[index])])));
    sender.end();
  } catch (error) {
    // Only a broken connection tells the client that the archive is not complete.
    if (!abort.signal.aborted && !isGoneClient(error)) logger.info({ err: error }, "an archive ended early");
    response.destroy();
  } finally {
    response.removeListener("close", onClose);
    sender.stop();
    share.release();
  }
}

/** JSON with the escapes of a URL: as many of the first ones as fit. */
function textOf(skipped: readonly SkippedEntry[]): string {
  for (let count = skipped.length; ; count--) {
    const text = encodeURIComponent(JSON.stringify(skipped.slice(0, count)));
    if (text.length <= MAX_SKIPPED_TEXT) return text;
  }
}

function withoutSlash(path: Buffer): Buffer {
  let end = path.length;
  while (end > 1 && path[end - 1] === 0x2f) end--;
  return path.subarray(0, end);
}
