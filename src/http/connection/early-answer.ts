// What happens to a connection whose request was answered before all of it had arrived.

import { startTimer } from "../../clock.ts";
import type { NodeRequest, NodeResponse } from "../exchange.ts";

/** How long a connection is still read, and its bytes discarded, after the answer that ends it. */
export const LINGER_MS = 2000;

/**
 * Ends the connection if the answer is sent before the request is complete: the bytes that follow could
 * be anything. It does not close at once: the kernel resets a socket that is closed with unread bytes,
 * and the reset can overtake the answer. HTTP/2 ends only the stream.
 */
export function closeIfUnread(request: NodeRequest, response: NodeResponse): void {
  if ("stream" in response) return;
  const { socket } = request;
  response.once("finish", () => {
    if (request.complete || socket.destroyed) return;
    request.resume();
    socket.end();
    const timer = startTimer(LINGER_MS, () => socket.destroy());
    socket.once("close", () => timer.cancel());
  });
}
