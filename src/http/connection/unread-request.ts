// What becomes of a connection whose request was answered before all of it had come.

import { startTimer } from "../../clock.ts";
import type { NodeRequest, NodeResponse } from "../exchange.ts";

/** How long a connection is read, and what comes thrown away, after an answer that ends it. */
export const LINGER_MS = 2000;

/**
 * An answer that comes before its request is complete ends the connection: what follows could be anything. Not at once: a
 * socket that is closed with something unread is reset, and the reset may overtake the answer. HTTP/2 has streams for that.
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
