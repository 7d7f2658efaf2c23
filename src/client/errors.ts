// What a client's calls reject with. `code` says which kind of failure, in the vocabulary Connect and gRPC share; the
// subclasses are those a caller may want to tell apart.

import type { ErrorCode } from "../errors.ts";

/** The agent's codes, and those only a connection has. */
export type ClientErrorCode = ErrorCode | "canceled" | "aborted" | "data_loss" | "unknown";

export class ClientError extends Error {
  override readonly name: string = "ClientError";
  readonly code: ClientErrorCode;

  constructor(code: ClientErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/**
 * The agent knows no such process: never started there, ended (and, where its output was asked for, retained no longer),
 * or the agent was restarted.
 */
export class ProcessGoneError extends ClientError {
  override readonly name = "ProcessGoneError";

  constructor(message: string, options?: { cause?: unknown }) {
    super("not_found", message, options);
  }
}

/** With `onGap: "error"`: the bytes [from, to) are no longer held by the agent. */
export class GapError extends ClientError {
  override readonly name = "GapError";
  readonly from: number;
  readonly to: number;

  constructor(from: number, to: number) {
    super("data_loss", `${to - from} bytes of output are no longer held: [${from}, ${to})`);
    this.from = from;
    this.to = to;
  }
}

/** `detach` or `close` was called. The process runs on. */
export class DetachedError extends ClientError {
  override readonly name = "DetachedError";

  constructor(message: string) {
    super("canceled", message);
  }
}
