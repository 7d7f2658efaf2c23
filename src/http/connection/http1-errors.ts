// Requests that Node's HTTP/1.1 parser refuses. They get the status that Node would send, with a message
// that names the limit, and the connection stays open until the client has had time to read it.

import type { Server } from "node:http";
import type { Duplex } from "node:stream";
import { startTimer } from "../../clock.ts";
import { LINGER_IDLE_MS } from "./early-answer.ts";

/** Node's name for it. */
export const LATE_HEADERS = "ERR_HTTP_REQUEST_TIMEOUT";

/** Every other error is 400. */
const statusLines: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "413 Payload Too Large",
  [LATE_HEADERS]: "408 Request Timeout",
};

export function answerParseErrors(server: Server, maxHeaderBytes: number): void {
  // After the first error, each piece that arrives is another one.
  const answered = new WeakSet<Duplex>();
  server.on("clientError", (error: Error & { code?: string }, socket) => {
    if (answered.has(socket)) return;
    answered.add(socket);
    if (!socket.writable || isAnswering(socket)) {
      socket.destroy(error);
      return;
    }
    socket.end(answerTo(error.code ?? "", maxHeaderBytes));
    const timer = startTimer(LINGER_IDLE_MS, () => socket.destroy());
    socket.once("end", () => socket.destroy()).once("close", () => timer.cancel());
  });
}

function answerTo(code: string, maxHeaderBytes: number): string {
  const text =
    code === "HPE_HEADER_OVERFLOW"
      ? `the request's headers have more than ${maxHeaderBytes} bytes (--max-header)\n`
      : "";
  const type = text === "" ? "" : "Content-Type: text/plain\r\n";
  const status = statusLines[code] ?? "400 Bad Request";
  return `HTTP/1.1 ${status}\r\nConnection: close\r\n${type}Content-Length: ${text.length}\r\n\r\n${text}`;
}

/** True if part of a response is written: another one would end up in the middle of it. */
function isAnswering(socket: Duplex): boolean {
  const response: unknown = Reflect.get(socket, "_httpMessage");
  return typeof response === "object" && response !== null && Reflect.get(response, "_headerSent") === true;
}
