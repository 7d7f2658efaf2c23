// Hand-made HTTP/2, to send what no HTTP/2 library would send.

import { frame, text } from "../../fixtures/http2-frame.mjs";

export { frame };

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const END_STREAM = 1;
export const END_HEADERS = 4;
export const PADDED = 8;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  /** As much of it as has arrived. */
  readonly payload: Buffer;
}

/** The frames in `received`, in order; the last one may be incomplete. */
export function framesIn(received: Buffer): Frame[] {
  const found: Frame[] = [];
  for (let at = 0; at + 9 <= received.length; at += 9 + received.readUIntBE(at, 3))
    found.push({
      type: received.readUInt8(at + 3),
      flags: received.readUInt8(at + 4),
      stream: received.readUInt32BE(at + 5),
      payload: received.subarray(at + 9, at + 9 + received.readUIntBE(at, 3)),
    });
  return found;
}

export function frameTypes(received: Buffer): number[] {
  return framesIn(received).map(({ type }) => type);
}

/** The first bytes of a client: the preface and empty settings. */
export const HELLO = Buffer.concat([PREFACE, frame(frameType.settings, 0, 0)]);

/** A header block with literal fields only: no table, no Huffman code. */
export function headerBlock(headers: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(headers.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

/** The header block of a POST. */
export function postBlock(path: string, headers: readonly (readonly [string, string])[] = []): Buffer {
  return headerBlock([
    [":method", "POST"],
    [":scheme", "http"],
    [":authority", "localhost"],
    [":path", path],
    ...headers,
  ]);
}
