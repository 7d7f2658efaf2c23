// The one table from the agent's error codes to the codes of the wire.

import { Code, ConnectError } from "@connectrpc/connect";
import { type ErrorCode, HoldfastError } from "../errors.ts";
import { isGoneClient } from "../http/index.ts";
import type { Logger } from "../logger.ts";
import { clipMiddle } from "../text.ts";

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
  if (error instanceof HoldfastError)
    return new ConnectError(clipMiddle(error.message, MAX_MESSAGE_LENGTH), codes[error.code]);
  if (error instanceof ConnectError) return error;
  if (isGoneClient(error))
    return new ConnectError("the client is gone", Code.Aborted, undefined, undefined, error);
  logger.error({ err: error }, "internal error in a request");
  return new ConnectError("internal error", Code.Internal);
}

/** gRPC sends messages in a header, and clients limit headers: an error that quotes 100 kB would not arrive. */
const MAX_MESSAGE_LENGTH = 2000;
