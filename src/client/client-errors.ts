// The errors of a client's calls. `code` names the kind of failure in the vocabulary of Connect and
// gRPC. The subclasses are the failures that callers commonly handle apart.

import type { ErrorCode } from "../errors.ts";

/** The agent's codes, and those of failed connections. */
export type ClientErrorCode = ErrorCode | "canceled" | "aborted" | "data_loss" | "unknown";

/** Any failure of a call. `cause` holds the error of the transport, if there was one. */
export class ClientError extends Error {
  override readonly name: string = "ClientError";
  /** The kind of failure. */
  readonly code: ClientErrorCode;

  constructor(code: ClientErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** A stream ended cleanly, but without an end event: the agent or a proxy closed it on purpose. */
export class CleanEndError extends ClientError {
  constructor() {
    super("unavailable", "the stream ended without an end event");
  }
}

/**
 * The agent knows no such process: it was never started there, it ended (and is no longer
 * retained), or the agent was restarted.
 */
export class ProcessGoneError extends ClientError {
  override readonly name = "ProcessGoneError";

  constructor(message: string, options?: { cause?: unknown }) {
    super("not_found", message, options);
  }
}

/** With `onGap: "error"`: the agent no longer holds the bytes [from, to). */
export class GapError extends ClientError {
  override readonly name = "GapError";
  /** Offset of the first missing byte. */
  readonly from: number;
  /** Offset of the next byte that is held. */
  readonly to: number;

  constructor(from: number, to: number) {
    super("data_loss", `${to - from} bytes of output are no longer held: [${from}, ${to})`);
    this.from = from;
    this.to = to;
  }
}

/**
 * The machine was restored to an earlier state: the agent's output ends at `now`, and this client
 * has received bytes up to `was`. `onRewind: "resume"` continues at `now` instead.
 */
export class RewoundError extends ClientError {
  override readonly name = "RewoundError";
  /** The offset of this client. */
  readonly was: number;
  /** The offset at which the output continues. */
  readonly now: number;

  constructor(was: number, now: number) {
    super(
      "out_of_range",
      `the machine was restored to an earlier state: the output is at ${now}, not at ${was}`,
    );
    this.was = was;
    this.now = now;
  }
}

/** The file is not the version that the call expected, or it changed during a download. */
export class FileChangedError extends ClientError {
  override readonly name = "FileChangedError";
  /** The path of the file. */
  readonly path: string;

  constructor(path: string, message: string) {
    super("failed_precondition", message);
    this.path = path;
  }
}

/** `reconnectNow` was called: the connection is dropped, and the next try begins at once. Callers do not see it. */
export class ReconnectError extends ClientError {
  constructor() {
    super("unavailable", "the client connects again: reconnectNow was called");
  }
}

/** `detach` or `close` was called. The process continues to run. */
export class DetachedError extends ClientError {
  override readonly name = "DetachedError";

  constructor(message: string) {
    super("canceled", message);
  }
}
