// The one table from the agent's error codes to those of the wire.

import { Code, ConnectError } from "@connectrpc/connect";
import { type ErrorCode, HoldfastError } from "../errors.ts";
import type { Logger } from "../logger.ts";

const codes: Readonly<Record<ErrorCode, Code>> = {
  not_found: Code.NotFound,
  invalid_argument: Code.InvalidArgument,
  failed_precondition: Code.FailedPrecondition,
  unauthenticated: Code.Unauthenticated,
  permission_denied: Code.PermissionDenied,
  out_of_range: Code.OutOfRange,
  resource_exhausted: Code.ResourceExhausted,
  unimplemented: Code.Unimplemented,
  already_exists: Code.AlreadyExists,
  deadline_exceeded: Code.DeadlineExceeded,
  unavailable: Code.Unavailable,
  internal: Code.Internal,
};

/** What a client is told of `error`. Of what should never happen it gets no details: those go to the log. */
export function toConnectError(error: unknown, logger: Logger): ConnectError {
  if (error instanceof HoldfastError) return new ConnectError(clip(error.message), codes[error.code]);
  if (error instanceof ConnectError) return error;
  if (isGoneClient(error))
    return new ConnectError("the client is gone", Code.Aborted, undefined, undefined, error);
  logger.error({ err: error }, "a request failed for a reason nobody thought of");
  return new ConnectError("internal error", Code.Internal);
}

/** How Node says that a connection broke or a stream was reset while a request was read or answered. */
const goneClientCodes = new Set([
  "ABORT_ERR",
  "ECONNRESET",
  "EPIPE",
  "ERR_HTTP2_GOAWAY_SESSION",
  "ERR_HTTP2_INVALID_SESSION",
  "ERR_HTTP2_INVALID_STREAM",
  "ERR_HTTP2_SESSION_ERROR",
  "ERR_HTTP2_STREAM_CANCEL",
  "ERR_HTTP2_STREAM_ERROR",
  "ERR_STREAM_DESTROYED",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ERR_STREAM_WRITE_AFTER_END",
]);

export function isGoneClient(error: unknown): boolean {
  return error instanceof Error && "code" in error && goneClientCodes.has(String(error.code));
}

/** gRPC sends messages in a header, and HTTP/2 bounds those: a command of 100 kB must not cost the answer. */
const MAX_MESSAGE_LENGTH = 2000;

function clip(message: string): string {
  if (message.length <= MAX_MESSAGE_LENGTH) return message;
  const half = MAX_MESSAGE_LENGTH / 2;
  return `${message.slice(0, half)} … ${message.slice(-half)}`;
}
