// The user whose process is started: how a command is wrapped so that it runs as that user.

import { HoldfastError } from "../../errors.ts";
import { lookupUser, type User } from "../../linux/index.ts";
import { lookupCommand } from "./command-lookup.ts";

/** A file to execute and its arguments, `argv[0]` first. */
export interface Executable {
  readonly path: string;
  readonly argv: readonly string[];
}

/** Throws what a start as `name` would throw because of its user. */
export async function checkUser(name: string): Promise<void> {
  asUser(await lookupUser(name), { path: "/", argv: [] });
}

/**
 * The command that runs `command` as `user`. The agent's own user needs no wrapper. For others it
 * is setpriv, which sets supplementary groups correctly (libuv clears them, node-pty keeps root's).
 * Throws `permission_denied` if the agent may not become that user.
 */
export function asUser(user: User, command: Executable): Executable {
  if (user.uid === process.getuid?.() && user.gid === process.getgid?.()) return command;
  if (process.getuid?.() !== 0)
    throw new HoldfastError(
      "permission_denied",
      `only root may run commands as another user: "${user.name}"`,
    );
  const identity = [`--reuid=${user.uid}`, `--regid=${user.gid}`, "--init-groups"];
  const setpriv = lookupCommand("setpriv", process.env["PATH"], "/");
  return { path: setpriv, argv: ["setpriv", ...identity, "--", command.path, ...command.argv.slice(1)] };
}
