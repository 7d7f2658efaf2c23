// The addresses that the agent listens on: TCP, a Unix socket, or a socket that was listening before
// the agent started (systemd's socket activation).

import { once } from "node:events";
import { type AddressInfo, BlockList, type ListenOptions, type Server } from "node:net";
import { HoldfastError } from "../../errors.ts";
import { describeSocket, prepareConnections } from "../../linux/index.ts";
import { listenOnUnixSocket } from "./unix-socket.ts";

export type ListenAddress =
  /** Port 0 picks a free one. */
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string; readonly mode: number }
  | { readonly kind: "inherited"; readonly fd: number };

export interface Listening {
  /** As in a URL: `127.0.0.1:49983`, `unix:/run/holdfast.sock`, `fd:3`. */
  readonly name: string;
  /** Undefined unless the address is TCP. */
  readonly port: number | undefined;
  /** True if only this machine can reach it. */
  readonly isLocal: boolean;
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Throws a HoldfastError for a descriptor that is not a listening socket. */
export function isTcp(address: ListenAddress): boolean {
  if (address.kind !== "inherited") return address.kind === "tcp";
  const found = describeSocket(address.fd);
  if (found?.isListening === true) return found.family !== "unix";
  throw new HoldfastError(
    "invalid_argument",
    `descriptor ${address.fd} is not a listening socket (LISTEN_FDS)`,
  );
}

/**
 * Resolves when clients can connect. Rejects with Node's error if it cannot listen there. With `fd`, another image of
 * this agent listens there already; then no turn of the event loop passes, and Node does not remove a Unix socket at
 * the close.
 */
export async function listenOn(server: Server, address: ListenAddress, fd?: number): Promise<Listening> {
  if (address.kind === "unix" && fd === undefined)
    await listenOnUnixSocket(server, address.path, address.mode);
  else {
    server.listen(fd === undefined ? optionsOf(address) : { fd });
    await once(server, "listening");
  }
  if (address.kind === "unix") return { name: `unix:${address.path}`, port: undefined, isLocal: true };
  prepareConnections(server);
  const bound = server.address() as AddressInfo | string | null;
  if (bound === null || typeof bound === "string")
    return {
      name: address.kind === "inherited" ? `fd:${address.fd}` : `${bound}`,
      port: undefined,
      isLocal: true,
    };
  const host = address.kind === "tcp" ? address.host : bound.address;
  return {
    name: `${host.includes(":") ? `[${host}]` : host}:${bound.port}`,
    port: bound.port,
    // The address it is bound to, not the one in the settings: a name can resolve to any address.
    isLocal: loopback.check(bound.address, bound.family === "IPv6" ? "ipv6" : "ipv4"),
  };
}

function optionsOf(address: ListenAddress): ListenOptions & { fd?: number } {
  if (address.kind === "inherited") return { fd: address.fd };
  return address.kind === "tcp" ? { host: address.host, port: address.port } : { path: address.path };
}
