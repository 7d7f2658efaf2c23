// Runs every command in a cgroup (version 2) of its kind, if the operator asks for it (--cgroup),
// so that limits can be set on commands without limiting the agent.

import { accessSync, constants, mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { HoldfastError } from "../../errors.ts";
import { errnoName } from "../../linux/index.ts";
import type { Executable } from "./user.ts";

/** The names of the folders: commands on a terminal, and all others. */
const kinds = ["pty", "user"] as const;
export type CgroupKind = (typeof kinds)[number];

/**
 * Moves itself into the cgroup and then executes the command, so that no child is ever outside.
 * Moving a child after its start takes the kernel several milliseconds, in which the child runs
 * outside (measured); starting it inside needs posix_spawnattr_setcgroup_np of glibc 2.39. Exit
 * code 125 means, as with env and setpriv, that not the command itself failed.
 */
const ENTER = 'echo 0 >"$0" || exit 125; exec "$@"';

export class Cgroups {
  readonly #path: string;

  /**
   * Creates `path`/pty and `path`/user. Throws `failed_precondition` for a cgroup that cannot be
   * used.
   */
  constructor(path: string) {
    this.#path = path;
    try {
      accessSync(join(path, "cgroup.procs"), constants.W_OK);
      for (const kind of kinds) mkdirSync(join(path, kind), { recursive: true });
    } catch (error) {
      const why = errnoName(error) === "ENOENT" ? "it is not a cgroup of version 2" : errnoName(error);
      throw new HoldfastError("failed_precondition", `cannot use the cgroup ${path} (--cgroup): ${why}`);
    }
  }

  /** The command that runs `command` inside. */
  inside(kind: CgroupKind, { path, argv }: Executable): Executable {
    const procs = join(this.#path, kind, "cgroup.procs");
    return { path: "/bin/sh", argv: ["sh", "-c", ENTER, procs, path, ...argv.slice(1)] };
  }

  /** Removes the two cgroups. One in which an orphan still runs stays. */
  remove(): void {
    for (const kind of kinds) {
      try {
        rmdirSync(join(this.#path, kind));
      } catch {
        // EBUSY: a process is still in it.
      }
    }
  }
}
