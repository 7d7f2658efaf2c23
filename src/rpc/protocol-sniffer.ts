// One port for HTTP/1.1 and h2c: the first bytes of a connection tell which it speaks.

import type { Socket } from "node:net";
import { startTimer } from "../process/index.ts";

export type HttpVersion = "http/1.1" | "h2c";

/** How HTTP/2's connection preface begins; no method of HTTP/1.1 does. */
const H2_PREFACE = "PRI ";

/**
 * Calls `onVersion` once, with the socket as if nothing had been read of it. A connection that says too little within
 * `sniffMs`, or breaks, is destroyed instead.
 */
export function sniffProtocol(
  socket: Socket,
  sniffMs: number,
  onVersion: (version: HttpVersion) => void,
): void {
  const timer = startTimer(sniffMs, () => socket.destroy());
  const onReadable = () => {
    const bytes: Buffer | null = socket.read();
    if (bytes === null) return;
    socket.unshift(bytes);
    const start = bytes.toString("latin1", 0, H2_PREFACE.length);
    // Too little to tell: wait for more behind it.
    if (start.length < H2_PREFACE.length && H2_PREFACE.startsWith(start)) return;
    stop();
    onVersion(start === H2_PREFACE ? "h2c" : "http/1.1");
  };
  const onGone = () => socket.destroy();
  const stop = () => {
    timer.cancel();
    socket.off("readable", onReadable).off("error", onGone).off("end", onGone).off("close", stop);
  };
  socket.on("readable", onReadable).on("error", onGone).on("end", onGone).on("close", stop);
}
