// What a child inherits from the agent and shall have otherwise: set on the agent just before a start and restored just after.
// The start is one synchronous call, so there is no wrapper process, and no moment in which a child runs with the wrong
// value. Costs nothing where the agent's own value is the wanted one.

import { openSync, readFileSync, writeSync } from "node:fs";
import { getPriority, setPriority } from "node:os";
import koffi from "koffi";
import { CAP_SYS_NICE, hasCapability } from "./capabilities.ts";
import { systemError } from "./errno.ts";
import { libc } from "./libc.ts";

/** Undefined: as the agent has it. */
export interface ChildProperties {
  /** The soft limit on open files. The hard one stays, and bounds this. */
  readonly openFiles?: number | undefined;
  /** -1000 to 1000: whom the kernel kills first when memory runs out. `atLeast`: or the agent's, if that is more. */
  readonly oomScoreAdj?: number | { readonly atLeast: number } | undefined;
  /** -20 to 19. */
  readonly nice?: number | undefined;
  /** As ioprio_set(2) takes it: the class in bits 13 to 15, the level below. 0 follows nice. */
  readonly ioPriority?: number | undefined;
}

/** One of them, whose own and wanted value differ. */
interface Property {
  readonly name: string;
  readonly own: number;
  readonly wanted: number;
  set(value: number): void;
}

export class InheritedProperties {
  readonly #properties: readonly Property[];

  /** `cannot` is told what this agent may not set, or may not restore: commands then keep the agent's value. */
  constructor(wanted: ChildProperties, cannot: (what: string) => void) {
    const properties = [openFiles(wanted), oomScoreAdj(wanted), nice(wanted), ioPriority(wanted)];
    this.#properties = properties.flatMap((property) => {
      if (property === undefined || property.own === property.wanted) return [];
      if (canSwitch(property)) return [property];
      cannot(`${property.name} stays ${property.own} for commands: no right to make it ${property.wanted}`);
      return [];
    });
  }

  /** Runs `start`, which must be synchronous, with the children's values. */
  during<T>(start: () => T): T {
    const changed: Property[] = [];
    try {
      for (const property of this.#properties) {
        property.set(property.wanted);
        changed.push(property);
      }
      return start();
    } finally {
      for (const property of changed) property.set(property.own);
    }
  }
}

function canSwitch(property: Property): boolean {
  try {
    property.set(property.wanted);
    property.set(property.own);
    return true;
  } catch {
    return false;
  }
}

const RLIMIT_NICE = 13;
const RLIMIT_NOFILE = 7;
const prlimit = libc.func("int prlimit(int pid, int resource, const void *wanted, void *old)");

function limitsOf(resource: number): { readonly soft: bigint; readonly hard: bigint } {
  const found = Buffer.alloc(16);
  if (prlimit(0, resource, null, found) !== 0) throw systemError("read a resource limit", koffi.errno());
  return { soft: found.readBigUInt64LE(0), hard: found.readBigUInt64LE(8) };
}

/**
 * Node raises its own soft limit to the hard one as it starts, and what it was before is not told. A thread of Node's that
 * opens a file in this very moment fails if the agent has more files open than commands may: rare, and what failed then
 * says so.
 */
function openFiles({ openFiles: asked }: ChildProperties): Property | undefined {
  if (asked === undefined) return undefined;
  const atStart = limitsOf(RLIMIT_NOFILE);
  const wanted = Math.min(asked, Number(atStart.hard));
  // Asked anew each time: whoever may can change a running agent's limits.
  let own = atStart;
  return {
    name: "the soft limit on open files",
    own: Number(atStart.soft),
    wanted,
    set(value) {
      if (value === wanted) own = limitsOf(RLIMIT_NOFILE);
      if (own.soft <= asked) return;
      const soft = value === wanted ? BigInt(asked) : own.soft;
      const limits = Buffer.from(new BigUint64Array([soft, own.hard]).buffer);
      if (prlimit(0, RLIMIT_NOFILE, limits, null) !== 0)
        throw systemError("set the limit on open files", koffi.errno());
    },
  };
}

/**
 * Restoring needs no right: the kernel lets everyone go back as far as a privileged process once set it. A privileged agent
 * moves that bound along, so that a command cannot take the agent's protection for itself.
 */
function oomScoreAdj({ oomScoreAdj: asked }: ChildProperties): Property | undefined {
  if (asked === undefined) return undefined;
  const path = "/proc/self/oom_score_adj";
  const own = Number(readFileSync(path, "utf8"));
  const wanted = typeof asked === "number" ? asked : Math.max(asked.atLeast, own);
  // Open for as long as the agent lives, and only where it is needed.
  let fd: number | undefined;
  return {
    name: "oom_score_adj",
    own,
    wanted,
    set(value) {
      fd ??= openSync(path, "w");
      writeSync(fd, String(value), 0);
    },
  };
}

/** The main thread's, which children inherit. */
function nice({ nice: wanted }: ChildProperties): Property | undefined {
  if (wanted === undefined) return undefined;
  const own = getPriority();
  return {
    name: "nice",
    own,
    wanted,
    set(value) {
      // Anyone may give priority up, and would then not get it back.
      if (!mayHaveNice(Math.min(own, wanted)))
        throw new Error("neither CAP_SYS_NICE nor RLIMIT_NICE allow it");
      setPriority(value);
    },
  };
}

function mayHaveNice(value: number): boolean {
  return hasCapability(CAP_SYS_NICE) || 20n - BigInt(value) <= limitsOf(RLIMIT_NICE).soft;
}

const IOPRIO_WHO_PROCESS = 1;
const IOPRIO_CLASS_SHIFT = 13;
const IOPRIO_CLASS_BEST_EFFORT = 2;
/** glibc and musl have no function for these. */
const ioprioCalls: Readonly<Record<string, { readonly get: number; readonly set: number }>> = {
  x64: { get: 252, set: 251 },
  arm64: { get: 31, set: 30 },
};
const syscall = libc.func("long syscall(long number, long a, long b, long c)");

function ioPriority({ ioPriority: wanted }: ChildProperties): Property | undefined {
  const calls = ioprioCalls[process.arch];
  if (wanted === undefined || calls === undefined) return undefined;
  const found = Number(syscall(calls.get, IOPRIO_WHO_PROCESS, 0, 0));
  if (found < 0) return undefined;
  return {
    name: "the I/O priority",
    own: found === followingNice() ? 0 : found,
    wanted,
    set(value) {
      if (Number(syscall(calls.set, IOPRIO_WHO_PROCESS, 0, value)) !== 0)
        throw systemError("set the I/O priority", koffi.errno());
    },
  };
}

/** Some kernels tell who has no I/O priority the one that follows from nice: best effort, at this level. */
function followingNice(): number {
  return (IOPRIO_CLASS_BEST_EFFORT << IOPRIO_CLASS_SHIFT) | Math.floor((getPriority() + 20) / 5);
}
