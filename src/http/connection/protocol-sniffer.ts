// One port for HTTP/1.1 and h2c: the first bytes of a connection tell which it speaks.

import type { Socket } from "node:net";
import { startTimer } from "../../clock.ts";

export type HttpVersion = "http/1.1" | "h2c";

/** How HTTP/2's connection preface begins; no method of HTTP/1.1 does. */
const H2_PREFACE = "PRI ";

/**
 * Calls `onVersion` once, with the socket paused and as if nothing had been read of it. A connection that says too little
 * within `sniffMs`, or breaks, is destroyed instead.
 */
export function sniffProtocol(
  socket: Socket,
  sniffMs: number,
  onVersion: (version: HttpVersion) => void,
): void {
  const timer = startTimer(sniffMs, () => socket.destroy());
  let start = Buffer.alloc(0);
  // Collected here until it is enough: what is put back into the socket at once comes out of it at once, for ever.
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
