// Writes to a response at the pace of its client, and gives up a client that accepts nothing for too long.

import { closeSync } from "node:fs";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { NodeResponse } from "../../http/index.ts";
import { duplicateSocket, endConnection, type Fd, peerProgress } from "../../linux/index.ts";
import type { Logger } from "../../logger.ts";
import { watchIdle } from "./idle-watch.ts";

/** HTTP/2's flow control accepts this much at a time: larger pieces would hide the progress of a slow client. */
const HTTP2_PIECE_BYTES = 64 * 1024;

export interface Sender {
  /** Resolves when the connection has accepted all of `piece`; its memory may then be used again. */
  send(piece: Uint8Array): Promise<void>;
  /**
   * The socket, for bytes that go into it as they are, after everything that was sent. It belongs to the sender.
   * Undefined if the connection frames or encrypts them.
   */
  directSocket(): Fd | undefined;
  /** Call it when bytes went into the socket directly. */
  noteProgress(): void;
  /** Ends the answer. */
  end(): void;
  /** To be called when nothing more is sent, for any reason. */
  stop(): void;
}

export function createSender(response: NodeResponse, idleMs: number, logger: Logger): Sender {
  const isHttp2 = "stream" in response;
  const socket = response.socket as Socket | null;
  const onIdle = () => {
    logger.info({ idleMs }, "a download was given up: its client accepted nothing (--transfer-idle-timeout)");
    response.destroy();
  };
  const readProgress = () => (isHttp2 || socket === null ? 0 : peerProgress(socket));
  const watch = watchIdle(idleMs, onIdle, readProgress);
  let rejectSending: ((error: Error) => void) | undefined;
  const isPlain = !isHttp2 && socket !== null && !("encrypted" in socket);
  let direct: Fd | undefined;
  const onClose = () => {
    // Node does not call back for all writes of a connection that breaks.
    rejectSending?.(gone());
    // The client learns of the end even if a thread still holds the socket and waits for a file system.
    if (direct !== undefined) endConnection(direct);
  };
  response.once("close", onClose);
  const write = (piece: Uint8Array) =>
    new Promise<void>((resolve, reject) => {
      if (response.destroyed) return reject(gone());
      rejectSending = reject;
      const onWritten = (error?: Error | null) => {
        watch.noteProgress();
        if (error) reject(gone());
        else resolve();
      };
      // The same method of both classes, whose types do not go together.
      (response as ServerResponse).write(piece, onWritten);
    });
  return {
    send: async (piece) => {
      if (!isHttp2) return await write(piece);
      for (let at = 0; at < piece.length; at += HTTP2_PIECE_BYTES)
        await write(piece.subarray(at, at + HTTP2_PIECE_BYTES));
    },
    directSocket: () => (direct ??= isPlain ? duplicateSocket(socket) : undefined),
    noteProgress: () => watch.noteProgress(),
    end: () => void response.end(),
    stop: () => {
      watch.stop();
      rejectSending = undefined;
      response.removeListener("close", onClose);
      if (direct !== undefined) closeSync(direct);
    },
  };
}

function gone(): Error {
  return Object.assign(new Error("the client left"), { code: "ECONNRESET" });
}
