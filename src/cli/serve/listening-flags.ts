// Where `serve` listens.
import type { Command } from "commander";
import { type ListenAddress, takeInheritedSockets } from "../../http/index.ts";
import { optionalSetting, setting } from "../options/settings.ts";
import { readHost, readPort, readSocketMode, readUnixAddress } from "../options/values.ts";

export interface ListeningFlags {
  readonly host: string;
  readonly port: number;
  /** The path of a Unix socket. */
  readonly listen?: string;
  readonly socketMode: number;
}

export function addListeningFlags(command: Command): Command {
  return command
    .optionsGroup("Listening:")
    .addOption(
      setting({
        flags: "--host <host>",
        description: "address to listen on; any but loopback needs an access token",
        fallback: "127.0.0.1",
        read: readHost,
      }),
    )
    .addOption(
      setting({
        flags: "--port <port>",
        description: "port to listen on, for HTTP/1.1 and HTTP/2 alike; 0 picks a free one",
        fallback: "49983",
        read: readPort,
      }),
    )
    .addOption(
      optionalSetting({
        flags: "--listen <address>",
        description: "a Unix socket instead, unix:/path; sockets handed over by systemd come before all",
        read: readUnixAddress,
      }),
    )
    .addOption(
      setting({
        flags: "--socket-mode <mode>",
        description: "who may connect to that socket, in octal",
        fallback: "0600",
        read: readSocketMode,
      }),
    );
}

/** At least one. Takes what systemd says out of `env`. */
export function listenAddresses(flags: ListeningFlags, env: NodeJS.ProcessEnv): ListenAddress[] {
  const inherited = takeInheritedSockets(env, process.pid);
  if (inherited.length > 0) return inherited.map((fd) => ({ kind: "inherited", fd }));
  const { host, port, listen: path, socketMode: mode } = flags;
  return [path === undefined ? { kind: "tcp", host, port } : { kind: "unix", path, mode }];
}
