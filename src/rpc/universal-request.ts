// A request of Node's as Connect-ES wants it. Like connect-node's universalRequestFromNodeRequest, but its signal aborts only while
// the request is being answered: the library's does so at the end of each, too, which takes the time of two JSON messages
// to make an exception that nobody sees.

import { Code, ConnectError, type ContextValues } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import type { NodeRequest, NodeResponse } from "../http/index.ts";

/** Throws for a Host and target that make no URL. */
export function universalRequest(
  request: NodeRequest,
  response: NodeResponse,
  contextValues: ContextValues,
): UniversalServerRequest {
  const controller = new AbortController();
  response.once("close", () => {
    if (!response.writableEnded) controller.abort(new ConnectError("the client is gone", Code.Canceled));
  });
  // Whoever reads the body learns of it there.
  request.on("error", () => undefined);
  const secure = "encrypted" in request.socket && request.socket.encrypted === true;
  const authority = "authority" in request ? request.authority : request.headers.host;
  if (authority === undefined) throw new ConnectError("the request has no Host", Code.InvalidArgument);
  return {
    httpVersion: request.httpVersion,
    method: request.method ?? "",
    url: new URL(request.url ?? "", `${secure ? "https" : "http"}://${authority}`).toString(),
    header: headersOf(request),
    body: request,
    signal: controller.signal,
    contextValues,
  };
}

/** Without HTTP/2's own, whose names begin with a colon. */
function headersOf({ headers }: NodeRequest): Headers {
  const all = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(":")) continue;
    for (const one of Array.isArray(value) ? value : [value]) all.append(name, one);
  }
  return all;
}
