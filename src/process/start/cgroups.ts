// Where an operator asks for it: every command in a cgroup (version 2) of its kind, so that limits can be set on commands and
// not on the agent.

import { accessSync, constants, mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { HoldfastError } from "../../errors.ts";
import { errnoName } from "../../linux/index.ts";

/** Their folders' names. */
const kinds = ["pty", "user"] as const;
export type CgroupKind = (typeof kinds)[number];

interface Command {
  readonly path: string;
  readonly argv: readonly string[];
}

/**
 * Moves itself and becomes the command: the same process, which had no time to have children outside. Moving it from here, once
 * it is started, takes the kernel several milliseconds in which it runs where it was (tried); starting it inside takes
 * posix_spawnattr_setcgroup_np of glibc 2.39. 125: as env and setpriv say that it was not the command which failed.
 */
const ENTER = 'echo 0 >"$0" || exit 125; exec "$@"';

export class Cgroups {
  readonly #path: string;

  /** Makes `path`/pty and `path`/user where they are missing. Throws `failed_precondition` where that cannot be. */
  constructor(path: string) {
    this.#path = path;
    try {
      accessSync(join(path, "cgroup.procs"), constants.W_OK);
      for (const kind of kinds) mkdirSync(join(path, kind), { recursive: true });
    } catch (error) {
      const why = errnoName(error) === "ENOENT" ? "it is no cgroup of version 2" : errnoName(error);
      throw new HoldfastError("failed_precondition", `cannot use the cgroup ${path} (--cgroup): ${why}`);
    }
  }

  /** The command that runs `command` inside. */
  inside(kind: CgroupKind, { path, argv }: Command): Command {
    const procs = join(this.#path, kind, "cgroup.procs");
    return { path: "/bin/sh", argv: ["sh", "-c", ENTER, procs, path, ...argv.slice(1)] };
  }

  /** The empty ones go; one in which an orphan lives on stays. */
  remove(): void {
    for (const kind of kinds) {
      try {
        rmdirSync(join(this.#path, kind));
      } catch {
        // EBUSY: somebody lives in it.
      }
    }
  }
}
