// Classifies a failed call: whether to retry, and which error the caller gets.

import { CleanEndError, ClientError, type ClientErrorCode, ProcessGoneError } from "../client-errors.ts";
import { AnswerError } from "../transport/answer-error.ts";
import { retryAfterMs } from "./retry-after.ts";

/**
 * - lost: the connection failed, or the agent is short of something. Retry for as long as the
 *   settings allow.
 * - doubtful: something is wrong that may pass. Retry a few times.
 * - final: a retry would bring the same answer.
 */
export type Verdict = "lost" | "doubtful" | "final";

export interface Failure {
  readonly verdict: Verdict;
  readonly error: ClientError;
  /** The agent or a proxy asked for a wait of at least this long. */
  readonly retryAfterMs?: number;
  /** The other side ended on purpose, for example to restart, so many clients lose it at the same moment. */
  readonly isPlanned?: boolean;
}

const verdicts: Readonly<Partial<Record<ClientErrorCode, Verdict>>> = {
  unavailable: "lost",
  aborted: "lost",
  canceled: "lost",
  // Disconnected as stalled, or the agent is out of descriptors for now.
  resource_exhausted: "lost",
  // For a Start whose process reached its time limit: one more attach brings its end event.
  deadline_exceeded: "lost",
  internal: "doubtful",
  unknown: "doubtful",
  data_loss: "doubtful",
};

/** `thrown` is what a call rejected with. */
export function toFailure(thrown: unknown): Failure {
  // Thrown by this client, because an event did not fit.
  if (thrown instanceof ClientError)
    return {
      verdict: verdicts[thrown.code] ?? "final",
      error: thrown,
      isPlanned: thrown instanceof CleanEndError,
    };
  if (thrown instanceof AnswerError) return fromAgent(thrown);
  const message = `the connection to the agent failed: ${describe(thrown)}`;
  return { verdict: "lost", error: new ClientError("unavailable", message, { cause: thrown }) };
}

/**
 * Whether the agent certainly did not process the call: no connection was made, or an HTTP/2 peer
 * refused the stream (RFC 9113, 8.7).
 */
export function wasNeverProcessed({ error }: Failure): boolean {
  return causesOf(error).some(
    (cause) => unconnected.has(String(Reflect.get(cause, "code"))) || /REFUSED_STREAM/.test(cause.message),
  );
}

const unconnected = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
]);

function fromAgent(cause: AnswerError): Failure {
  const { code, message } = cause;
  const error =
    code === "not_found"
      ? new ProcessGoneError(message, { cause })
      : new ClientError(code, message, { cause });
  const waitMs = retryAfterMs(cause);
  return {
    verdict: verdicts[code] ?? "final",
    error,
    ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }),
    isPlanned: code === "unavailable",
  };
}

/**
 * Node's error for a host with several addresses has a code, but no message of its own. That of its fetch says only that
 * it failed; the cause says why.
 */
function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const { cause, message } = thrown;
  if (message === "fetch failed" && cause instanceof Error) return `${message}: ${describe(cause)}`;
  if (message !== "") return message;
  return causesOf(thrown)
    .map((cause) => Reflect.get(cause, "code"))
    .filter((code) => typeof code === "string")
    .join(", ");
}

function causesOf(error: Error): Error[] {
  const causes: Error[] = [];
  for (let next: unknown = error; next instanceof Error && !causes.includes(next); next = next.cause)
    causes.push(next);
  return causes;
}
