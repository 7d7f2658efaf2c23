// The errors of calls about files: errors of RPCs and of the HTTP endpoints as ClientErrors.

import { ClientError, type ClientErrorCode, FileChangedError } from "../client-errors.ts";
import type { Failure, Verdict } from "../retry/failures.ts";
import { parseRetryAfterMs } from "../retry/retry-after.ts";
import { AnswerError } from "../transport/answer-error.ts";
import { isUnreached, statusText } from "../transport/connect-errors.ts";
import type { HttpAnswer } from "../transport/http-client.ts";

/** An error's text has no more. */
const MAX_ERROR_BYTES = 64 * 1024;

/** For other calls `not_found` means a process. */
export function rpcError(error: unknown): unknown {
  return error instanceof AnswerError && error.code === "not_found"
    ? new ClientError("not_found", error.message, { cause: error })
    : error;
}

interface Meaning {
  readonly code: ClientErrorCode;
  readonly verdict: Verdict;
}

const meanings: Readonly<Record<number, Meaning>> = {
  400: { code: "invalid_argument", verdict: "final" },
  401: { code: "unauthenticated", verdict: "final" },
  403: { code: "permission_denied", verdict: "final" },
  404: { code: "not_found", verdict: "final" },
  409: { code: "already_exists", verdict: "final" },
  412: { code: "failed_precondition", verdict: "final" },
  413: { code: "resource_exhausted", verdict: "final" },
  416: { code: "out_of_range", verdict: "final" },
  429: { code: "resource_exhausted", verdict: "lost" },
  501: { code: "unimplemented", verdict: "final" },
  502: { code: "unavailable", verdict: "lost" },
  503: { code: "unavailable", verdict: "lost" },
  504: { code: "unavailable", verdict: "lost" },
  507: { code: "resource_exhausted", verdict: "final" },
};

/** Reads the error of an answer with a status other than 2xx. */
export async function answerFailure(answer: HttpAnswer, path: string): Promise<Failure> {
  const { status } = answer;
  const said = messageIn(await textOf(answer));
  const { code, verdict } = meaningOf(status);
  const message = said ?? `the answer was ${statusText(answer)}`;
  const retryAfterMs = parseRetryAfterMs(answer.header("Retry-After"));
  return {
    verdict,
    error: status === 412 ? new FileChangedError(path, message) : new ClientError(code, message),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    isPlanned: status === 503,
  };
}

function meaningOf(status: number): Meaning {
  const unknown: Meaning = { code: "unknown", verdict: "doubtful" };
  // 408 also if the agent gave up on a transfer that made no progress.
  return meanings[status] ?? (isUnreached(status) ? { code: "unavailable", verdict: "lost" } : unknown);
}

/** An error within a stream of events: the agent writes the status that it would have answered. */
export function reportedError(status: number, message: string): ClientError {
  return new ClientError(meaningOf(status).code, message);
}

export async function textOf({ body }: HttpAnswer): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > MAX_ERROR_BYTES) return text;
    text += decoder.decode(piece, { stream: true });
  }
  return text;
}

/** The agent's errors are JSON. Proxies answer with pages, whose text says little. */
function messageIn(text: string): string | undefined {
  try {
    const message: unknown = JSON.parse(text).message;
    return typeof message === "string" && message !== "" ? message : undefined;
  } catch {
    return undefined;
  }
}
