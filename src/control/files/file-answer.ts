// Answers of the file endpoints: JSON, and errors in envd's shape with a status that SDKs turn into their exceptions.

import { constants } from "node:os";
import { HoldfastError } from "../../errors.ts";
import { FileError } from "../../filesystem/index.ts";
import { isGoneClient, type NodeResponse } from "../../http/index.ts";
import type { Logger } from "../../logger.ts";

const JSON_TYPE = "application/json; charset=utf-8";
const E = constants.errno;

/** The statuses that follow from the errno; all others follow from the code. */
const statusOfErrno = new Map<number, number>([
  [E.ENOSPC, 507],
  [E.EDQUOT, 507],
  [E.EFBIG, 413],
  [E.ELOOP, 400],
  [E.ENAMETOOLONG, 400],
  [E.EISDIR, 400],
  [E.EROFS, 409],
  [E.ETXTBSY, 409],
  [E.EBUSY, 409],
  [E.ENOTEMPTY, 409],
  [E.EXDEV, 409],
  [E.EMFILE, 503],
  [E.ENFILE, 503],
  [E.ENOMEM, 503],
]);

const statusOfCode: Readonly<Partial<Record<HoldfastError["code"], number>>> = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  deadline_exceeded: 408,
  already_exists: 409,
  failed_precondition: 412,
  out_of_range: 416,
  resource_exhausted: 429,
  unimplemented: 501,
  unavailable: 503,
};

export function statusOf(error: unknown): number {
  if (!(error instanceof HoldfastError)) return 500;
  const byErrno = error instanceof FileError ? statusOfErrno.get(error.errno) : undefined;
  return byErrno ?? statusOfCode[error.code] ?? 500;
}

/** For a request that no handler answered. `fields` are added to the body. */
export function answerFileError(
  error: unknown,
  response: NodeResponse,
  logger: Logger,
  fields: Readonly<Record<string, unknown>> = {},
): void {
  if (response.headersSent || response.destroyed || isGoneClient(error)) return void response.destroy();
  const status = statusOf(error);
  const isKnown = error instanceof HoldfastError && status !== 500;
  if (!isKnown) logger.error({ err: error }, "internal error in a file request");
  // The rest of a body that is late can take forever. HTTP/2 has no such header: its stream is reset.
  if (status === 408 && !("stream" in response)) response.setHeader("Connection", "close");
  if (status === 503 || status === 429) response.setHeader("Retry-After", "1");
  const message = isKnown ? error.message : "internal error";
  answerFileJson(response, status, { code: status, message, ...fields });
}

export function answerFileJson(
  response: NodeResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.destroyed) return;
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    "Cache-Control": "no-store",
    "Content-Type": JSON_TYPE,
    "Content-Length": Buffer.byteLength(text),
    "X-Content-Type-Options": "nosniff",
    ...headers,
  });
  response.end(text);
}
