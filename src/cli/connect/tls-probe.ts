// Whether TLS is spoken at an http: address, to explain why plain HTTP fails there. Sends nothing but a handshake.

import { connect } from "node:tls";
import { ClientError } from "../../client/index.ts";

/** Enough for a handshake over a slow network, and short for a person who waits for a message. */
const PROBE_MS = 3_000;

/** The result of plain HTTP at a port for TLS: a closed connection, or an answer in another protocol. */
export function mayBeTls(error: unknown, url: string): boolean {
  if (!url.startsWith("http://") || !(error instanceof ClientError)) return false;
  for (let next: unknown = error; next instanceof Error; next = next.cause) {
    if (["ECONNRESET", "EPIPE"].includes(String(Reflect.get(next, "code")))) return true;
    if (next === next.cause) break;
  }
  return /^(HTTP 4\d\d|unsupported content type .*|.*socket hang up)$/s.test(error.message);
}

export function speaksTls(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const host = hostname.replace(/^\[|\]$/g, "");
    const socket = connect({ host, port: Number(port || "80"), rejectUnauthorized: false });
    const end = (isTls: boolean): void => {
      socket.destroy();
      resolve(isTls);
    };
    socket.setTimeout(PROBE_MS, () => end(false));
    socket.once("secureConnect", () => end(true)).once("error", () => end(false));
  });
}

/** `url` with https: instead of http:. */
export function secured(url: string): string {
  return url.replace(/^http:/, "https:");
}
