// Converts a request of Node's to Connect-ES's form. It differs from connect-node's universalRequestFromNodeRequest in its
// signal, which aborts only while the request is being answered. The library's signal also aborts at the end of each
// request; that creates an unused exception and takes as long as two JSON messages.

import { Code, ConnectError, type ContextValues } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import { grantOf, type NodeRequest, type NodeResponse } from "../../http/index.ts";
import { clip } from "../../text.ts";

/** Throws `invalid_argument` if Host and target together are not a URL. */
export function universalRequest(
  request: NodeRequest,
  response: NodeResponse,
  body: AsyncIterable<Uint8Array>,
  contextValues: ContextValues,
): UniversalServerRequest {
  const controller = new AbortController();
  const unfollow = grantOf(request).onEnd((reason) =>
    controller.abort(new ConnectError(reason, Code.Unauthenticated)),
  );
  response.once("close", () => {
    unfollow();
    if (!response.writableEnded) controller.abort(new ConnectError("the client is gone", Code.Canceled));
  });
  // The reader of the body receives the error also.
  request.on("error", () => undefined);
  return {
    httpVersion: request.httpVersion,
    method: request.method ?? "",
    url: urlOf(request),
    header: headersOf(request),
    body,
    signal: controller.signal,
    contextValues,
  };
}

function urlOf(request: NodeRequest): string {
  const secure = "encrypted" in request.socket && request.socket.encrypted === true;
  const authority = "authority" in request ? request.authority : request.headers.host;
  if (authority === undefined) throw new ConnectError("the request has no Host", Code.InvalidArgument);
  try {
    return new URL(request.url ?? "", `${secure ? "https" : "http"}://${authority}`).toString();
  } catch {
    // Its own message names neither of them.
    const message = `Host "${clip(authority)}" and target "${clip(request.url ?? "")}" do not form a URL`;
    throw new ConnectError(message, Code.InvalidArgument);
  }
}

/** All headers except HTTP/2's own, whose names begin with a colon. */
function headersOf({ headers }: NodeRequest): Headers {
  const all = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(":")) continue;
    for (const one of Array.isArray(value) ? value : [value]) all.append(name, one);
  }
  return all;
}
