// The body of a request, with a time limit for a request whose message is one piece. A request that
// never ends would otherwise hold its connection and its bytes forever.

import { Code, ConnectError } from "@connectrpc/connect";
import { startTimer } from "../../clock.ts";
import type { NodeRequest, NodeResponse } from "../../http/index.ts";
import { endUnfinished, isEnded } from "./unfinished-requests.ts";

/**
 * The body of `request`. At the limit, the request is answered and the body fails, so that nothing is
 * executed after that answer. The request is not destroyed if the reader stops: over HTTP/1.1 that
 * would close the connection before the answer is sent.
 */
export function timelyBody(
  request: NodeRequest,
  response: NodeResponse,
  limitMs: number | undefined,
): AsyncIterable<Uint8Array> {
  const body: AsyncIterable<Uint8Array> = request.iterator({ destroyOnReturn: false });
  return limitMs === undefined ? body : failAtLimit(body, () => limitTime(request, response, limitMs));
}

/** Fails at its end, and at the next piece, when the limit that `startLimit` starts has passed. */
export async function* failAtLimit(
  body: AsyncIterable<Uint8Array>,
  startLimit: () => () => boolean,
): AsyncIterable<Uint8Array> {
  const isLate = startLimit();
  for await (const piece of body) {
    if (isLate()) break;
    yield piece;
  }
  if (isLate()) throw new ConnectError("the request did not arrive in time", Code.Aborted);
}

/** Answers a request that has not arrived after `limitMs`. Returns a function that says whether it was answered before it arrived. */
export function limitTime(request: NodeRequest, response: NodeResponse, limitMs: number): () => boolean {
  const timer = startTimer(limitMs, () => {
    const message = `the request did not arrive within ${limitMs} ms (--request-timeout)`;
    endUnfinished(request, response, { code: Code.DeadlineExceeded, httpStatus: 408, message });
  });
  const cancel = () => timer.cancel();
  request.once("end", cancel).once("close", cancel);
  // A request that was answered before it arrived completely reports neither, and would be held until the limit.
  response.once("close", cancel);
  return () => isEnded(request);
}
