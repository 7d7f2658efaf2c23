// The addresses on which `serve` listens.

import type { Command } from "commander";
import { AGENT_DEFAULTS } from "../../agent/settings.ts";
import type { ListenAddress } from "../../http/index.ts";
import { addSettings, type SettingRow } from "../options/settings.ts";
import { readHost, readPort, readSocketMode, readUnixAddress } from "../options/values.ts";

export interface ListeningFlags {
  readonly host: string;
  readonly port: number;
  /** The path of a Unix socket. */
  readonly listen?: string;
  readonly socketMode: number;
}

const rows: readonly SettingRow[] = [
  {
    flags: "--host <host>",
    description: "address; any but loopback needs an access token",
    fallback: AGENT_DEFAULTS.host,
    read: readHost,
  },
  {
    flags: "--port <port>",
    description: "port for HTTP/1.1 and HTTP/2; 0 picks a free one",
    fallback: String(AGENT_DEFAULTS.port),
    read: readPort,
  },
  {
    flags: "--listen <address>",
    description: "Unix socket instead of a port: unix:/path",
    read: readUnixAddress,
  },
  {
    flags: "--socket-mode <mode>",
    description: "permissions of the Unix socket, in octal",
    fallback: AGENT_DEFAULTS.socketMode.toString(8).padStart(4, "0"),
    read: readSocketMode,
  },
];

export function addListeningFlags(command: Command): Command {
  return addSettings(command, "Listening", rows);
}

/** At least one. Removes systemd's variables from `env`. */
export async function listenAddresses(
  flags: ListeningFlags,
  env: NodeJS.ProcessEnv,
): Promise<ListenAddress[]> {
  // Loaded late: the help does not need the server.
  const { takeInheritedSockets } = await import("../../http/index.ts");
  const inherited = takeInheritedSockets(env, process.pid);
  if (inherited.length > 0) return inherited.map((fd) => ({ kind: "inherited", fd }));
  const { host, port, listen: path, socketMode: mode } = flags;
  return [path === undefined ? { kind: "tcp", host, port } : { kind: "unix", path, mode }];
}
