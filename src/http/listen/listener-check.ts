// Whether a listening socket still accepts. After a restore from a snapshot some kernels and sandboxes keep the socket
// but never report a connection on it again.

import { connect, type Server } from "node:net";
import { startTimer } from "../../clock.ts";

const ACCEPT_MS = 1_000;

/**
 * Connects to `server` from this process. The kernel completes the connection in any case, so this
 * waits for an answer: any byte, or the end of the connection.
 */
export function acceptsConnections(server: Server): Promise<boolean> {
  const address = server.address();
  if (address === null) return Promise.resolve(true);
  return new Promise((resolve) => {
    const socket =
      typeof address === "string"
        ? connect(address)
        : connect({ port: address.port, host: localHost(address.address) });
    const finish = (accepts: boolean) => {
      timer.cancel();
      socket.destroy();
      resolve(accepts);
    };
    const timer = startTimer(ACCEPT_MS, () => finish(false));
    socket.once("data", () => finish(true)).once("end", () => finish(true));
    // Refused: nothing listens there any more.
    socket.once("error", (error) => finish((error as NodeJS.ErrnoException).code === "ECONNRESET"));
    socket.write("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  });
}

/** The address to connect to for a socket that listens on every address. */
function localHost(address: string): string {
  if (address === "0.0.0.0") return "127.0.0.1";
  return address === "::" ? "::1" : address;
}
