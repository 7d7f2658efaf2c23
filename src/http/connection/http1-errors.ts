// What HTTP/1.1 cannot parse: answered as Node would, but saying which limit was met, and without closing so soon that the
// answer is lost.

import type { Server } from "node:http";
import type { Duplex } from "node:stream";
import { startTimer } from "../../clock.ts";
import { LINGER_MS } from "./unread-request.ts";

/** Whatever else is wrong is a bad request. */
const statusLines: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "413 Payload Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

export function answerParseErrors(server: Server, maxHeaderBytes: number): void {
  // Each piece that comes after the first error is one more.
  const answered = new WeakSet<Duplex>();
  server.on("clientError", (error: Error & { code?: string }, socket) => {
    if (answered.has(socket)) return;
    answered.add(socket);
    if (!socket.writable || isAnswering(socket)) {
      socket.destroy(error);
      return;
    }
    socket.end(answerTo(error.code ?? "", maxHeaderBytes));
    const timer = startTimer(LINGER_MS, () => socket.destroy());
    socket.once("end", () => socket.destroy()).once("close", () => timer.cancel());
  });
}

function answerTo(code: string, maxHeaderBytes: number): string {
  const says =
    code === "HPE_HEADER_OVERFLOW"
      ? `the request's head has more than ${maxHeaderBytes} bytes (--max-header)\n`
      : "";
  const type = says === "" ? "" : "Content-Type: text/plain\r\n";
  const status = statusLines[code] ?? "400 Bad Request";
  return `HTTP/1.1 ${status}\r\nConnection: close\r\n${type}Content-Length: ${says.length}\r\n\r\n${says}`;
}

/** Something of a response is written: more would end up in the middle of it. */
function isAnswering(socket: Duplex): boolean {
  const response: unknown = Reflect.get(socket, "_httpMessage");
  return typeof response === "object" && response !== null && Reflect.get(response, "_headerSent") === true;
}
