// The envelope of Connect's streams, gRPC and gRPC-web: one byte of flags, four bytes of length,
// the message.

export interface Envelope {
  readonly flags: number;
  readonly data: Buffer;
}

/** `declaredBytes` declares a false length. */
export function envelope(data: Uint8Array | string, flags = 0, declaredBytes?: number): Buffer {
  const bytes = Buffer.from(data);
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(declaredBytes ?? bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** Throws if `body` does not end with an envelope. */
export function parseEnvelopes(body: Buffer): Envelope[] {
  const found: Envelope[] = [];
  for (let at = 0; at < body.length; ) {
    const end = body.length < at + 5 ? Number.POSITIVE_INFINITY : at + 5 + body.readUInt32BE(at + 1);
    if (end > body.length)
      throw new Error(`a partial envelope at ${at} of ${body.length}: ${body.toString("hex", at, at + 64)}`);
    found.push({ flags: body.readUInt8(at), data: body.subarray(at + 5, end) });
    at = end;
  }
  return found;
}
