// An error that the agent, or a proxy before it, answered. All other failures of a call are failures of its connection.

import type { ClientErrorCode } from "../client-errors.ts";

export interface ErrorDetail {
  /** The name of a message. */
  readonly type: string;
  readonly value: Uint8Array;
}

export class AnswerError extends Error {
  override readonly name = "AnswerError";
  readonly code: ClientErrorCode;
  /** Headers and trailers. */
  readonly metadata: { get(name: string): string | null };
  readonly details: readonly ErrorDetail[];

  constructor(
    code: ClientErrorCode,
    message: string,
    { metadata, details = [], cause }: Partial<Pick<AnswerError, "metadata" | "details" | "cause">> = {},
  ) {
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
    this.metadata = metadata ?? { get: () => null };
    this.details = details;
  }
}
