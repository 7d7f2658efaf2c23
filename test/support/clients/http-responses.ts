// HTTP/1.1 responses as they arrived on a socket, one after the other, parsed strictly: everything
// that RFC 9112 forbids in a response with `Transfer-Encoding: chunked` or `Content-Length` throws.

export interface HttpResponse {
  readonly statusLine: string;
  /** As sent, in order. */
  readonly headerLines: readonly string[];
  /** The value of the only header with this name; undefined without one. */
  header(name: string): string | undefined;
  readonly body: Buffer;
  /** The sizes of its chunks, without the last one; undefined if the body was not chunked. */
  readonly chunkBytes: readonly number[] | undefined;
}

/** All complete responses in `bytes`, and the rest. A body may not end with the connection. */
export function parseResponses(bytes: Buffer): { readonly whole: HttpResponse[]; readonly rest: Buffer } {
  const whole: HttpResponse[] = [];
  for (let rest = bytes; ; ) {
    const parsed = parseOne(rest);
    if (parsed === undefined) return { whole, rest };
    whole.push(parsed.response);
    rest = rest.subarray(parsed.end);
  }
}

interface Parsed<T> {
  readonly response: T;
  readonly end: number;
}

function parseOne(bytes: Buffer): Parsed<HttpResponse> | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const [statusLine = "", ...headerLines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  if (!/^HTTP\/1\.1 [1-5]\d\d [\x20-\x7e]*$/.test(statusLine)) throw new Error(`status line ${statusLine}`);
  const header = headerReader(headerLines);
  const body = parseBody(bytes, headEnd + 4, statusLine, header);
  return body && { response: { statusLine, headerLines, header, ...body.response }, end: body.end };
}

function headerReader(lines: readonly string[]): HttpResponse["header"] {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name = "", value = ""] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === "") throw new Error(`header line ${JSON.stringify(line)}`);
    if (headers.has(name.toLowerCase())) throw new Error(`a second header ${name}`);
    headers.set(name.toLowerCase(), value);
  }
  return (name) => headers.get(name.toLowerCase());
}

type Body = Pick<HttpResponse, "body" | "chunkBytes">;

function parseBody(
  bytes: Buffer,
  at: number,
  statusLine: string,
  header: HttpResponse["header"],
): Parsed<Body> | undefined {
  const [coding, length] = [header("Transfer-Encoding"), header("Content-Length")];
  const hasNone = /^HTTP\/1\.1 (1\d\d|204|304) /.test(statusLine);
  if (hasNone && (coding ?? length) !== undefined) throw new Error(`${statusLine} with ${coding ?? length}`);
  if (hasNone) return { response: { body: Buffer.alloc(0), chunkBytes: undefined }, end: at };
  if (coding !== undefined && length !== undefined)
    throw new Error("both Transfer-Encoding and Content-Length");
  if (coding === "chunked") return parseChunks(bytes, at);
  const end = at + Number(length);
  if (coding !== undefined || Number.isNaN(end)) throw new Error(`a body of unknown length (${coding})`);
  if (bytes.length < end) return undefined;
  return { response: { body: bytes.subarray(at, end), chunkBytes: undefined }, end };
}

function parseChunks(bytes: Buffer, start: number): Parsed<Body> | undefined {
  const pieces: Buffer[] = [];
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const line = bytes.toString("latin1", at, lineEnd);
    if (!/^[0-9a-f]+$/i.test(line)) throw new Error(`a chunk's size is ${JSON.stringify(line)}`);
    const end = lineEnd + 2 + Number.parseInt(line, 16);
    if (bytes.length < end + 2) return undefined;
    if (bytes.toString("latin1", end, end + 2) !== "\r\n")
      throw new Error(`no line end after a chunk at ${at}`);
    if (end === lineEnd + 2) {
      const chunkBytes = pieces.map((piece) => piece.length);
      return { response: { body: Buffer.concat(pieces), chunkBytes }, end: end + 2 };
    }
    pieces.push(bytes.subarray(lineEnd + 2, end));
    at = end + 2;
  }
}
