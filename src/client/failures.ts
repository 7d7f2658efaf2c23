// What a failed call means: whether to try again, and what to tell the caller.
//
// Connect-ES reports a cut connection in many ways, also as `invalid_argument` (a truncated message) or `internal` (an
// HTTP/2 reset), codes the agent uses for refusals. They differ in one thing: what was really answered carries the
// response's headers.

import { Code, ConnectError } from "@connectrpc/connect";
import { ClientError, type ClientErrorCode, ProcessGoneError } from "./errors.ts";

/**
 * - lost: the connection failed, or the agent is short of something: try again for as long as there is patience.
 * - doubtful: something is wrong that may pass: try again, but not for ever.
 * - final: the same would be said again.
 */
export type Verdict = "lost" | "doubtful" | "final";

export interface Failure {
  readonly verdict: Verdict;
  readonly error: ClientError;
}

const codes: Readonly<Record<Code, ClientErrorCode>> = {
  [Code.Canceled]: "canceled",
  [Code.Unknown]: "unknown",
  [Code.InvalidArgument]: "invalid_argument",
  [Code.DeadlineExceeded]: "deadline_exceeded",
  [Code.NotFound]: "not_found",
  [Code.AlreadyExists]: "already_exists",
  [Code.PermissionDenied]: "permission_denied",
  [Code.ResourceExhausted]: "resource_exhausted",
  [Code.FailedPrecondition]: "failed_precondition",
  [Code.Aborted]: "aborted",
  [Code.OutOfRange]: "out_of_range",
  [Code.Unimplemented]: "unimplemented",
  [Code.Internal]: "internal",
  [Code.Unavailable]: "unavailable",
  [Code.DataLoss]: "data_loss",
  [Code.Unauthenticated]: "unauthenticated",
};

const verdicts: Readonly<Partial<Record<ClientErrorCode, Verdict>>> = {
  unavailable: "lost",
  aborted: "lost",
  canceled: "lost",
  // Cut as stalled, or the agent is out of descriptors for now.
  resource_exhausted: "lost",
  // Of a Start whose process ran out of time: its end event is had by attaching once more.
  deadline_exceeded: "lost",
  internal: "doubtful",
  unknown: "doubtful",
  data_loss: "doubtful",
};

/** Of whatever a call threw. */
export function toFailure(thrown: unknown): Failure {
  // Ours: something the client found wrong with what came.
  if (thrown instanceof ClientError) return { verdict: verdicts[thrown.code] ?? "final", error: thrown };
  const error = ConnectError.from(thrown);
  if (isAnswer(error)) return fromAgent(error);
  const message = `the connection to the agent failed: ${describe(error)}`;
  return { verdict: "lost", error: new ClientError("unavailable", message, { cause: thrown }) };
}

/** Whether the agent cannot have heard of the call: there was no connection. False where that is not known. */
export function wasNeverSent({ error }: Failure): boolean {
  return causesOf(error).some((cause) => unconnected.has(String(Reflect.get(cause, "code"))));
}

const unconnected = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
]);

function fromAgent(cause: ConnectError): Failure {
  const code = codes[cause.code];
  const error =
    code === "not_found"
      ? new ProcessGoneError(cause.rawMessage, { cause })
      : new ClientError(code, cause.rawMessage, { cause });
  return { verdict: verdicts[code] ?? "final", error };
}

function isAnswer({ metadata }: ConnectError): boolean {
  return [...metadata.keys()].length > 0;
}

/** Node's error for a host with several addresses has no message of its own, but a code. */
function describe(error: ConnectError): string {
  if (error.rawMessage !== "") return error.rawMessage;
  return causesOf(error)
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
