// A WebSocket for text, as a client: Node 20 has none. For a server on this machine that is trusted.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import type { Socket } from "node:net";

export interface WebSocketText {
  send(text: string): void;
  close(): void;
}

const FINAL_TEXT = 0x81;
const FINAL_PONG = 0x8a;
const MASKED = 0x80;
const PING = 9;

/** `onText` is called with each message, `onClose` once at the end. */
export async function openWebSocket(
  url: string,
  onText: (text: string) => void,
  onClose: () => void,
): Promise<WebSocketText> {
  const asking = request(url.replace(/^ws:/, "http:"), {
    headers: {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
    },
  });
  asking.end();
  const [, socket, head] = (await once(asking, "upgrade")) as [unknown, Socket, Buffer];
  let bytes = head;
  let text = "";
  const read = () => {
    for (let frame = firstFrame(bytes); frame !== undefined; frame = firstFrame(bytes)) {
      bytes = frame.rest;
      if (frame.opcode === PING) socket.write(masked(FINAL_PONG, frame.payload));
      // 0 continues a text, 1 begins one; 8 is the end, which the socket reports also.
      if (frame.opcode > 1) continue;
      text += frame.payload.toString("latin1");
      if (!frame.isFinal) continue;
      const message = Buffer.from(text, "latin1").toString("utf8");
      text = "";
      onText(message);
    }
  };
  socket.on("data", (data: Buffer) => {
    bytes = Buffer.concat([bytes, data]);
    read();
  });
  socket.on("error", () => socket.destroy()).on("close", onClose);
  read();
  return {
    send: (message) => void socket.write(masked(FINAL_TEXT, Buffer.from(message))),
    close: () => void socket.destroy(),
  };
}

function masked(head: number, payload: Buffer): Buffer {
  const mask = randomBytes(4);
  const extended = payload.length < 126 ? 0 : payload.length < 65_536 ? 2 : 8;
  const length = Buffer.alloc(2 + extended);
  length[0] = head;
  length[1] = MASKED | (extended === 0 ? payload.length : extended === 2 ? 126 : 127);
  if (extended === 2) length.writeUInt16BE(payload.length, 2);
  if (extended === 8) length.writeBigUInt64BE(BigInt(payload.length), 2);
  const body = Buffer.from(payload);
  for (let at = 0; at < body.length; at++) body[at] = (body[at] ?? 0) ^ (mask[at % 4] ?? 0);
  return Buffer.concat([length, mask, body]);
}

/** Undefined until it is whole. A server masks nothing. */
function firstFrame(bytes: Buffer) {
  if (bytes.length < 2) return undefined;
  const [first = 0, second = 0] = bytes;
  const extended = second === 126 ? 2 : second === 127 ? 8 : 0;
  const from = 2 + extended;
  if (bytes.length < from) return undefined;
  const length =
    extended === 0 ? second : extended === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (bytes.length < from + length) return undefined;
  return {
    isFinal: (first & 0x80) !== 0,
    opcode: first & 0x0f,
    payload: bytes.subarray(from, from + length),
    rest: bytes.subarray(from + length),
  };
}
