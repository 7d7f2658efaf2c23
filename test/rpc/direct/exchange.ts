// Sends the same bytes to both paths and reads what comes back.

import type { ClientHttp2Session, IncomingHttpHeaders } from "node:http2";
import { onTestFinished } from "vitest";
import { type HttpResponse, parseResponses } from "../../support/clients/http-responses.ts";
import { openConnection } from "../../support/clients/raw-http.ts";

export interface Received {
  readonly statusLine: string;
  /** In order, without the date. */
  readonly headerLines: readonly string[];
  readonly body: string;
}

/** Resolves with the first response, or with the bytes of a connection that was closed before it was complete. */
export async function exchange(port: number, pieces: readonly Uint8Array[]): Promise<Received | string> {
  const connection = await openConnection(port);
  const cut = () => connection.cut();
  onTestFinished(cut);
  for (const [index, piece] of pieces.entries()) {
    if (index > 0) await new Promise((resolve) => setImmediate(resolve));
    connection.send(piece);
  }
  try {
    const { statusLine, headerLines, body } = await connection.until("a response", (received) =>
      responsesIn(received).find(({ statusLine }) => !statusLine.startsWith("HTTP/1.1 1")),
    );
    const lines = headerLines.filter((line) => !line.startsWith("Date: "));
    return { statusLine, headerLines: lines, body: body.toString("latin1") };
  } catch (error) {
    return String(error).replace(/Date: [^\\]*/, "");
  } finally {
    cut();
  }
}

/** None in the answer to a head that is not HTTP, which has no length and ends with its connection. */
function responsesIn(received: Buffer): readonly HttpResponse[] {
  try {
    return parseResponses(received).whole;
  } catch {
    return [];
  }
}

/** The same over h2c. Headers that Node's client refuses to send, and those that HTTP/2 does not have, are left out. */
export async function exchangeHttp2(
  session: ClientHttp2Session,
  { path, headers, body }: Http2Request,
): Promise<unknown> {
  const sent = Object.entries(headers).filter(([name, value]) => value !== undefined && !http1Only.has(name));
  const stream = session.request({ ":method": "POST", ":path": path, ...Object.fromEntries(sent) });
  let answer: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  stream
    .on("response", (received) => {
      answer = received;
    })
    .on("trailers", (received) => {
      trailers = received;
    });
  for (const piece of body) stream.write(piece);
  stream.end();
  const received: Buffer[] = [];
  try {
    for await (const piece of stream) received.push(piece as Buffer);
  } catch (error) {
    return String(error);
  }
  const { date: _, ...rest } = answer;
  return { headers: Object.entries(rest), trailers, body: Buffer.concat(received).toString("latin1") };
}

export interface Http2Request {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: readonly Buffer[];
}

const http1Only: ReadonlySet<string> = new Set(["host", "connection", "expect"]);
