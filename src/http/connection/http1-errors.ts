// Requests that Node's HTTP/1.1 server refuses before the listener gets them. They get the status that Node would send,
// with a message that Node would not. After a parse error the connection stays open until the client has had time to
// read it.

import type { Server } from "node:http";
import type { Duplex } from "node:stream";
import { Code } from "@connectrpc/connect";
import { startTimer } from "../../clock.ts";
import { clip } from "../../text.ts";
import { refuse } from "../admission/refusal.ts";
import type { RequestListener } from "../exchange.ts";
import { LINGER_IDLE_MS } from "./early-answer.ts";

/** Node's name for it. */
export const LATE_HEADERS = "ERR_HTTP_REQUEST_TIMEOUT";

/** Every other error is 400. */
const statusLines: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "413 Payload Too Large",
  [LATE_HEADERS]: "408 Request Timeout",
};

/** Node's error for a request that its parser refuses. */
interface ParseError extends Error {
  readonly code?: string;
  /** Of the parser: "Invalid method encountered". */
  readonly reason?: string;
}

export function answerParseErrors(server: Server, maxHeaderBytes: number): void {
  // After the first error, each piece that arrives is another one.
  const answered = new WeakSet<Duplex>();
  server.on("clientError", (error: ParseError, socket) => {
    if (answered.has(socket)) return;
    answered.add(socket);
    if (!socket.writable || isAnswering(socket)) {
      socket.destroy(error);
      return;
    }
    socket.end(answerTo(error, maxHeaderBytes));
    const timer = startTimer(LINGER_IDLE_MS, () => socket.destroy());
    socket.once("end", () => socket.destroy()).once("close", () => timer.cancel());
  });
}

function answerTo(error: ParseError, maxHeaderBytes: number): string {
  const status = statusLines[error.code ?? ""] ?? "400 Bad Request";
  const text = `${problemOf(error, maxHeaderBytes)}\n`;
  const type = "Content-Type: text/plain";
  return `HTTP/1.1 ${status}\r\nConnection: close\r\n${type}\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
}

/** In ASCII. */
function problemOf({ code, reason, message }: ParseError, maxHeaderBytes: number): string {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return `the request's headers have more than ${maxHeaderBytes} bytes (--max-header)`;
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return "the extensions of the request's chunks are too long: leave them out";
    case LATE_HEADERS:
      return "the request's headers did not arrive in time (--header-timeout)";
    default:
      return `the request is not valid HTTP/1.1: ${reason ?? message}`;
  }
}

/** RFC 9112, 3.2: HTTP/1.1 without Host is 400, for every path. */
export function withHost(listener: RequestListener): RequestListener {
  return (request, response) => {
    if (request.headers.host !== undefined || request.httpVersion !== "1.1")
      return listener(request, response);
    refuse(request, response, {
      code: Code.InvalidArgument,
      httpStatus: 400,
      message: "the request has no header Host, which HTTP/1.1 requires",
    });
  };
}

/** Every expectation but 100-continue, which Node answers itself. */
export const refuseExpectation: RequestListener = (request, response) => {
  refuse(request, response, {
    code: Code.InvalidArgument,
    httpStatus: 417,
    message: `the header Expect has a value that is not supported: "${clip(String(request.headers.expect))}"`,
  });
};

/** True if part of a response is written: another one would end up in the middle of it. */
function isAnswering(socket: Duplex): boolean {
  const response: unknown = Reflect.get(socket, "_httpMessage");
  return typeof response === "object" && response !== null && Reflect.get(response, "_headerSent") === true;
}
