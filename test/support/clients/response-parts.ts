// An HTTP/1.1 response that streams envelopes, parsed as it arrives, whatever the split of its
// bytes. Only unfinished parts are kept.

export interface Parser {
  /** Throws at invalid bytes. */
  push(bytes: Buffer): void;
}

type OnEnvelope = (flags: number, data: Buffer) => void;

/** A 200 with a chunked body. `onEnd` is called at the last chunk if no envelope is unfinished. */
export function streamResponse(onEnvelope: OnEnvelope, onEnd: () => void): Parser {
  const envelopes = envelopeParser(onEnvelope);
  const chunks = chunkParser(
    (bytes) => envelopes.push(bytes),
    () => {
      envelopes.assertWhole();
      onEnd();
    },
  );
  return headParser(chunks);
}

function headParser(body: Parser): Parser {
  let head: Buffer | undefined = Buffer.alloc(0);
  return {
    push: (bytes) => {
      if (head === undefined) {
        body.push(bytes);
        return;
      }
      head = Buffer.concat([head, bytes]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      const text = head.toString("latin1", 0, end);
      if (!/^HTTP\/1.1 200 /.test(text) || !/^transfer-encoding: chunked$/im.test(text))
        throw new Error(`the response is ${text}`);
      const rest = head.subarray(end + 4);
      head = undefined;
      body.push(rest);
    },
  };
}

function chunkParser(onBytes: (bytes: Buffer) => void, onEnd: () => void): Parser {
  let line = "";
  let missing = 0;
  let isLast = false;
  const onLine = (text: string) => {
    // The end of a chunk's data, or of the body.
    if (text === "") return isLast ? onEnd() : undefined;
    if (!/^[0-9a-f]+$/i.test(text)) throw new Error(`a chunk's size is ${JSON.stringify(text)}`);
    missing = Number.parseInt(text, 16);
    isLast = missing === 0;
  };
  return {
    push: (bytes) => {
      for (let at = 0; at < bytes.length; ) {
        if (missing > 0) {
          const piece = bytes.subarray(at, at + missing);
          at += piece.length;
          missing -= piece.length;
          onBytes(piece);
          continue;
        }
        const lineFeed = bytes.indexOf("\n", at);
        const end = lineFeed < 0 ? bytes.length : lineFeed + 1;
        line += bytes.toString("latin1", at, end);
        at = end;
        if (lineFeed < 0) return;
        const text = line.trim();
        line = "";
        onLine(text);
      }
    },
  };
}

const HEAD_BYTES = 5;

function envelopeParser(onEnvelope: OnEnvelope): Parser & { assertWhole(): void } {
  let pieces: Buffer[] = [];
  let missing = HEAD_BYTES;
  let flags: number | undefined;
  const onWhole = (whole: Buffer) => {
    if (flags !== undefined) {
      const of = flags;
      flags = undefined;
      missing = HEAD_BYTES;
      return onEnvelope(of, whole);
    }
    flags = whole[0] ?? 0;
    missing = whole.readUInt32BE(1);
    if (missing === 0) onWhole(Buffer.alloc(0));
  };
  return {
    push: (bytes) => {
      for (let rest = bytes; rest.length > 0; ) {
        const piece = rest.subarray(0, missing);
        rest = rest.subarray(piece.length);
        missing -= piece.length;
        pieces.push(piece);
        if (missing > 0) return;
        const whole = pieces.length === 1 ? piece : Buffer.concat(pieces);
        pieces = [];
        onWhole(whole);
      }
    },
    assertWhole: () => {
      if (flags !== undefined || pieces.length > 0)
        throw new Error("the body ends in the middle of an envelope");
    },
  };
}
