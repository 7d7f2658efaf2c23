// The one error type of the agent. It says what was wrong in words fit for a client; `code` says which kind
// of wrong, in the vocabulary Connect and gRPC share. The rpc layer maps codes to the wire, once.

/** The kinds of failure, spelled as on the Connect wire. */
export type ErrorCode =
  | "not_found"
  | "invalid_argument"
  | "failed_precondition"
  | "unauthenticated"
  | "permission_denied"
  | "out_of_range"
  | "resource_exhausted"
  | "unimplemented"
  | "already_exists"
  | "deadline_exceeded"
  | "unavailable"
  | "internal";

/** Something a client or an operator asked for that cannot be done. Never used for what may normally happen. */
export class HoldfastError extends Error {
  override readonly name = "HoldfastError";
  readonly code: ErrorCode;

  /** `message` says what was wrong, with which value, and where it helps what would be right. */
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
