// The one error type of the agent. `message` is for clients and operators. `code` is one of the codes that
// Connect and gRPC share; src/rpc maps codes to the wire in one table.

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

/** A request of a client or an operator that cannot be done. Results that are normal are returned, not thrown. */
export class HoldfastError extends Error {
  override readonly name = "HoldfastError";
  readonly code: ErrorCode;

  /** `message` says what is wrong, with which value, and how to fix it. */
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
