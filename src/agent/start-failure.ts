// Explains in one line to the person who started the agent why it could not start.

import type { ListenAddress } from "../http/index.ts";
import { messageOf } from "../text.ts";

/** `error` is Node's listen or look-up error, or anything else that starting threw. */
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
      return `port ${port} is in use; stop the program that uses it, or choose another port with --port (0 picks a free one)`;
    case "EACCES":
    case "EPERM":
      return `permission denied for port ${port}; ports below 1024 need root or CAP_NET_BIND_SERVICE (choose another port with --port)`;
    case "EADDRNOTAVAIL":
      return `this machine has no address ${host}; choose one of its addresses with --host (127.0.0.1, or 0.0.0.0 for all)`;
    case "EAFNOSUPPORT":
      return `this machine does not support this kind of address; choose another one with --host`;
    case "EINVAL":
      return `the agent cannot listen on the address ${host}; choose another one with --host`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `the name ${host} has no address (${errno}); choose another one with --host`;
    default:
      return undefined;
  }
}

function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
