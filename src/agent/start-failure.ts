// Why the agent could not start, in one line for the person who started it.

import type { ListenAddress } from "../http/index.ts";
import { messageOf } from "../text.ts";

/** `error` is what starting threw: Node's listen or look-up error, or anything else. */
export function describeStartFailure(error: unknown, addresses: readonly ListenAddress[]): string {
  const tcp = addresses.find((address) => address.kind === "tcp");
  const reason = tcp && listenFailure(errnoOf(error), tcp.host, tcp.port);
  if (tcp === undefined || reason === undefined) return `cannot start: ${messageOf(error)}`;
  const { host, port } = tcp;
  return `cannot listen on ${host.includes(":") ? `[${host}]` : host}:${port}: ${reason}`;
}

function listenFailure(errno: string | undefined, host: string, port: number): string | undefined {
  switch (errno) {
    case "EADDRINUSE":
      return `port ${port} is in use; stop what uses it, or choose another with --port (0 picks a free one)`;
    case "EACCES":
    case "EPERM":
      return `no right to use port ${port}; low ports need root or CAP_NET_BIND_SERVICE, others do not (see --port)`;
    case "EADDRNOTAVAIL":
      return `this machine has no address ${host}; choose one of its own with --host (127.0.0.1, or 0.0.0.0 for all)`;
    case "EAFNOSUPPORT":
      return `this machine does not speak that kind of address; choose another with --host`;
    case "EINVAL":
      return `${host} is not an address to listen on; choose another with --host`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `the name ${host} has no address (${errno}); choose another with --host`;
    default:
      return undefined;
  }
}

function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
