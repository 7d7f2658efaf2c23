// The envelope around each message of a stream, which Connect, gRPC and gRPC-web share:
//
//   | flags, 1 byte | length, 4 bytes big-endian | message |

export const HEAD_BYTES = 5;
export const COMPRESSED_FLAG = 0x01;
/** Connect: the message is the end of the stream, with its error if it has one. */
export const END_STREAM_FLAG = 0x02;
/** gRPC-web: the message is the trailers. */
export const TRAILER_FLAG = 0x80;

export function envelopeHead(flags: number, length: number): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  writeHead(head, flags, length);
  return head;
}

export function enveloped(flags: number, message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + message.length);
  writeHead(frame, flags, message.length);
  frame.set(message, HEAD_BYTES);
  return frame;
}

function writeHead(buffer: Buffer, flags: number, length: number): void {
  buffer.writeUInt8(flags, 0);
  buffer.writeUInt32BE(length, 1);
}
