// The one table from the agent's error codes to the codes of the wire.

import { Code, ConnectError } from "@connectrpc/connect";
import { type ErrorCode, HoldfastError } from "../errors.ts";
import { encodeGrpcMessage, isGoneClient } from "../http/index.ts";
import type { Logger } from "../logger.ts";
import { clipMiddle, countCharacters } from "../text.ts";

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

/** The error that the client receives for `error`. A bug of the agent shows no details to clients: they are logged. */
export function toConnectError(error: unknown, logger: Logger): ConnectError {
  if (error instanceof HoldfastError) return new ConnectError(clipMessage(error.message), codes[error.code]);
  if (error instanceof ConnectError) return error;
  if (isGoneClient(error))
    return new ConnectError("the client is gone", Code.Aborted, undefined, undefined, error);
  logger.error({ err: error }, "internal error in a request");
  return new ConnectError("internal error", Code.Internal);
}

const MAX_MESSAGE_LENGTH = 2000;
const MAX_ENCODED_BYTES = 4000;

/**
 * Shortens an error message in its middle. gRPC sends messages percent-encoded in a header, and clients limit headers (at
 * random above 8 KiB): an error that quotes 100 kB, or 2000 Chinese characters, would not arrive.
 */
export function clipMessage(message: string): string {
  let clipped = wellFormed(clipMiddle(message, MAX_MESSAGE_LENGTH));
  for (let length = MAX_MESSAGE_LENGTH; ; ) {
    const { length: encoded } = encodeGrpcMessage(clipped);
    if (encoded <= MAX_ENCODED_BYTES) return clipped;
    length = Math.floor((Math.min(length, countCharacters(clipped)) * MAX_ENCODED_BYTES) / encoded) - 1;
    clipped = wellFormed(clipMiddle(message, length));
  }
}

/** Half a surrogate pair, which no protocol can carry, becomes U+FFFD. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}
