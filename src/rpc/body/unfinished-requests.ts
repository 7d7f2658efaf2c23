// Requests that were answered before they arrived completely. Nothing of them is executed, even if
// the rest arrives.

import { type NodeRequest, type NodeResponse, type Refusal, refuse } from "../../http/index.ts";

const ended = new WeakSet<NodeRequest>();

/** Answers `request`, whose body has not arrived completely. Does nothing if it is answered. */
export function endUnfinished(request: NodeRequest, response: NodeResponse, refusal: Refusal): void {
  if (response.headersSent || response.destroyed) return;
  ended.add(request);
  // HTTP/2 has no such header: its stream is reset after the answer.
  if (!("stream" in response)) response.setHeader("Connection", "close");
  refuse(request, response, refusal);
}

/** Whether `endUnfinished` has answered it. */
export function isEnded(request: NodeRequest): boolean {
  return ended.has(request);
}
