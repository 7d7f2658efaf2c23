// TLS before HTTP: the handshake says which HTTP follows (ALPN), and only then does a connection reach it.

import type { Socket } from "node:net";
import type { Server, TLSSocket } from "node:tls";
import { HoldfastError } from "../../errors.ts";
import type { Logger } from "../../logger.ts";
import { messageOf } from "../../text.ts";

export interface TlsIdentity {
  /** PEM: the certificate, and those between it and the root. */
  readonly cert: Buffer;
  /** PEM, without a passphrase. */
  readonly key: Buffer;
}

export type SecureHttpVersion = "http/1.1" | "h2";

export interface TlsFrontOptions {
  readonly identity: TlsIdentity;
  readonly handshakeMs: number;
  readonly logger: Logger;
}

type OnVersion = (socket: TLSSocket, version: SecureHttpVersion) => void;

/**
 * Returns what takes a connection's plain socket and calls `onVersion`, once, with the socket that speaks in clear. A
 * connection that does not shake hands in time is destroyed. Throws a HoldfastError for what is no certificate and its key.
 */
export function createTlsFront({ identity, handshakeMs, logger }: TlsFrontOptions) {
  const waiting = new WeakMap<object, OnVersion>();
  const server = secureServer(identity, handshakeMs);
  server.on("secureConnection", (secure) => {
    // Node tells which connection it was on this field only.
    const plain: unknown = Reflect.get(secure, "_parent");
    const onVersion = typeof plain === "object" && plain !== null ? waiting.get(plain) : undefined;
    onVersion?.(secure, secure.alpnProtocol === "h2" ? "h2" : "http/1.1");
  });
  server.on("tlsClientError", (error, socket) => {
    logger.debug({ err: error }, "a TLS handshake failed");
    socket.destroy();
  });
  return (socket: Socket, onVersion: OnVersion): void => {
    waiting.set(socket, onVersion);
    // It never listens itself: it is handed connections.
    server.emit("connection", socket);
  };
}

function secureServer(identity: TlsIdentity, handshakeMs: number): Server {
  // Loaded only here: most agents have no certificate.
  const { createServer } = process.getBuiltinModule("node:tls");
  try {
    return createServer({ ...identity, ALPNProtocols: ["h2", "http/1.1"], handshakeTimeout: handshakeMs });
  } catch (error) {
    const reason = messageOf(error);
    throw new HoldfastError(
      "invalid_argument",
      `--tls-cert and --tls-key are no certificate and its key: ${reason}`,
      { cause: error },
    );
  }
}
