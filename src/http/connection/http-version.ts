// One port for HTTP/1.1 and h2c: the first bytes of a connection show which one the client speaks.

import type { Socket } from "node:net";
import { startTimer } from "../../clock.ts";

export type HttpVersion = "http/1.1" | "h2c";

/** The start of HTTP/2's connection preface. No method of HTTP/1.1 begins like this. */
const H2_PREFACE = "PRI ";

/**
 * Calls `onVersion` once, with the socket paused and all its bytes still to be read. A connection that
 * breaks, or sends too few bytes within `limitMs`, is destroyed instead.
 */
export function detectHttpVersion(
  socket: Socket,
  limitMs: number,
  onVersion: (version: HttpVersion) => void,
): void {
  const timer = startTimer(limitMs, () => socket.destroy());
  let start = Buffer.alloc(0);
  // Collected here: bytes that are put back into the socket come out of it at once, again and again.
  const onData = (bytes: Buffer) => {
    start = Buffer.concat([start, bytes]);
    const text = start.toString("latin1", 0, H2_PREFACE.length);
    if (text.length < H2_PREFACE.length && H2_PREFACE.startsWith(text)) return;
    stop();
    socket.pause();
    socket.unshift(start);
    onVersion(text === H2_PREFACE ? "h2c" : "http/1.1");
  };
  const onGone = () => socket.destroy();
  const stop = () => {
    timer.cancel();
    socket.off("data", onData).off("error", onGone).off("end", onGone).off("close", stop);
  };
  socket.on("data", onData).on("error", onGone).on("end", onGone).on("close", stop);
}
