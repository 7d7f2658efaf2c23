// The body of a request, with a time limit for a request whose message is one piece. A request that
// never ends would otherwise hold its connection and its bytes forever.

import { Code, ConnectError } from "@connectrpc/connect";
import { startTimer } from "../clock.ts";
import type { NodeRequest, NodeResponse } from "../http/index.ts";
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
  return limitMs === undefined
    ? body
    : untilEnded(body, request, () => limitTime(request, response, limitMs));
}

async function* untilEnded(
  body: AsyncIterable<Uint8Array>,
  request: NodeRequest,
  startLimit: () => void,
): AsyncIterable<Uint8Array> {
  startLimit();
  for await (const piece of body) {
    if (isEnded(request)) break;
    yield piece;
  }
  if (isEnded(request)) throw new ConnectError("the request was answered before it arrived", Code.Aborted);
}

function limitTime(request: NodeRequest, response: NodeResponse, limitMs: number): void {
  const timer = startTimer(limitMs, () => {
    const message = `the request did not arrive within ${limitMs} ms (--request-timeout)`;
    endUnfinished(request, response, { code: Code.DeadlineExceeded, httpStatus: 408, message });
  });
  const cancel = () => timer.cancel();
  request.once("end", cancel).once("close", cancel);
}
