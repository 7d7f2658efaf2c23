// Runs every command in a cgroup (version 2) of its kind, if the operator asks for it (--cgroup),
// so that limits can be set on commands without limiting the agent.

import { accessSync, constants, mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { HoldfastError } from "../../errors.ts";
import { errnoName } from "../../linux/index.ts";

/** The names of the folders: commands on a terminal, and all others. */
const kinds = ["pty", "user"] as const;
export type CgroupKind = (typeof kinds)[number];

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

  /**
   * The file through which the launcher joins. Moving a child after its start would take the kernel
   * several milliseconds, in which the child runs outside (measured).
   */
  procsOf(kind: CgroupKind): string {
    return join(this.#path, kind, "cgroup.procs");
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
