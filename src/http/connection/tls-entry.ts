// TLS below HTTP. The handshake (ALPN) decides which HTTP version follows, and only connections that
// completed it reach HTTP.

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

export interface TlsEntryOptions {
  readonly identity: TlsIdentity;
  readonly handshakeMs: number;
  readonly logger: Logger;
}

type OnVersion = (socket: TLSSocket, version: SecureHttpVersion) => void;

/**
 * Returns a function that takes the plain socket of a connection and calls `onVersion` once with the
 * decrypted one. A connection that does not complete the handshake in time is destroyed. Throws a
 * HoldfastError for a certificate and key that cannot be used.
 */
export function createTlsEntry({ identity, handshakeMs, logger }: TlsEntryOptions) {
  const waiting = new WeakMap<object, OnVersion>();
  const server = secureServer(identity, handshakeMs);
  server.on("secureConnection", (secure) => {
    // Only this field of Node's says which connection it was.
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
    // This server never listens; the agent passes it connections.
    server.emit("connection", socket);
  };
}

function secureServer(identity: TlsIdentity, handshakeMs: number): Server {
  // Loaded only here: most agents have no certificate.
  const { createServer } = process.getBuiltinModule("node:tls");
  try {
    return createServer({ ...identity, ALPNProtocols: ["h2", "http/1.1"], handshakeTimeout: handshakeMs });
  } catch (error) {
    throw new HoldfastError(
      "invalid_argument",
      `--tls-cert and --tls-key are not a certificate and its key: ${messageOf(error)}`,
      { cause: error },
    );
  }
}
