// Hand-made HTTP/1.1 over a socket: any bytes can be sent, the connection can be cut at any byte,
// and the answer is seen as it arrived. Every wait has a deadline, and its error shows what was
// received.

import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface RawRequest {
  /** Default: POST. */
  readonly method?: string;
  readonly path: string;
  /**
   * `Host` and, with a body, `Content-Length` are added unless they are given; undefined leaves one
   * out.
   */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: Uint8Array | string;
}

export interface RawResponse {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export interface RawConnection {
  readonly socket: Socket;
  send(bytes: Uint8Array | string): void;
  /** All bytes so far. */
  received(): Buffer;
  /** Resolves when `done` finds something in the received bytes. */
  until<T>(what: string, done: (received: Buffer) => T | undefined): Promise<T>;
  /** The first complete response. */
  response(): Promise<RawResponse>;
  /** Resolves when the agent has closed the connection, cleanly or by a reset. */
  closed(deadlineMs?: number): Promise<void>;
  /** FIN: nothing more is sent or read. */
  cut(): void;
  /** RST. */
  reset(): void;
}

const DEADLINE_MS = 10_000;

/** The caller closes it. `at`: a port, or the path of a Unix socket. */
export async function openConnection(at: number | string): Promise<RawConnection> {
  const socket =
    typeof at === "string" ? connect(at) : connect({ port: at, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  const chunks: Buffer[] = [];
  let received = Buffer.alloc(0);
  let isClosed = false;
  const gather = () => {
    if (chunks.length > 0) received = Buffer.concat([received, ...chunks.splice(0)]);
    return received;
  };
  const looking = new Set<() => void>();
  const look = () => {
    for (const one of looking) one();
  };
  socket
    .on("data", (bytes) => {
      chunks.push(bytes);
      look();
    })
    // EPIPE and ECONNRESET: the agent closed first. "close" follows.
    .on("error", () => undefined)
    .on("close", () => {
      isClosed = true;
      look();
    });

  const until = <T>(what: string, done: () => T | undefined, deadlineMs: number): Promise<T> =>
    new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer);
        looking.delete(check);
        act();
      };
      const state = () => JSON.stringify({ isClosed, received: gather().toString("latin1").slice(0, 2_000) });
      const check = () => {
        const found = done();
        if (found !== undefined) settle(() => resolve(found));
        else if (isClosed) settle(() => reject(new Error(`closed without ${what}: ${state()}`)));
      };
      const timer = setTimeout(
        () => settle(() => reject(new Error(`no ${what} within ${deadlineMs} ms: ${state()}`))),
        deadlineMs,
      );
      looking.add(check);
      check();
    });

  return {
    socket,
    send: (bytes) => void socket.write(bytes),
    received: gather,
    until: (what, done) => until(what, () => done(gather()), DEADLINE_MS),
    response: () =>
      until("a whole response", () => parseResponse(gather(), isClosed || socket.readableEnded), DEADLINE_MS),
    closed: (deadlineMs = DEADLINE_MS) =>
      until("a close", () => isClosed || undefined, deadlineMs).then(() => undefined),
    cut: () => socket.destroy(),
    reset: () => socket.resetAndDestroy(),
  };
}

/** One request on a connection of its own. */
export async function rawCall(port: number, request: RawRequest | Uint8Array | string): Promise<RawResponse> {
  const connection = await openConnection(port);
  try {
    connection.send(isBytes(request) ? request : requestBytes(request));
    return await connection.response();
  } finally {
    connection.cut();
  }
}

function isBytes(request: RawRequest | Uint8Array | string): request is Uint8Array | string {
  return typeof request === "string" || request instanceof Uint8Array;
}

export function requestBytes({ method = "POST", path, headers = {}, body }: RawRequest): Buffer {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  const all = {
    host: "localhost",
    ...(bytes === undefined ? {} : { "content-length": String(bytes.length) }),
    ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  );
  const head = `${[`${method} ${path} HTTP/1.1`, ...lines].join("\r\n")}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), bytes ?? Buffer.alloc(0)]);
}

/** Undefined until it is complete. */
function parseResponse(bytes: Buffer, atEnd: boolean): RawResponse | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const [statusLine = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const status = Number(statusLine.split(" ")[1]);
  const rest = bytes.subarray(headEnd + 4);
  if (status === 100) return parseResponse(rest, atEnd);
  const headers = new Map(
    lines.map((line) => {
      const [name = "", ...value] = line.split(":");
      return [name.toLowerCase(), value.join(":").trim()];
    }),
  );
  const body = parseBody(rest, status, headers, atEnd);
  return body && { status, headers, body };
}

function parseBody(
  bytes: Buffer,
  status: number,
  headers: ReadonlyMap<string, string>,
  atEnd: boolean,
): Buffer | undefined {
  if (status === 204) return Buffer.alloc(0);
  if (headers.get("transfer-encoding") === "chunked") return parseChunks(bytes);
  const length = headers.get("content-length");
  if (length === undefined) return atEnd ? bytes : undefined;
  return bytes.length >= Number(length) ? bytes.subarray(0, Number(length)) : undefined;
}

function parseChunks(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const length = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    const end = lineEnd + 2 + length;
    if (bytes.length < end + 2) return undefined;
    if (length === 0) return Buffer.concat(parts);
    parts.push(bytes.subarray(lineEnd + 2, end));
    at = end + 2;
  }
}
