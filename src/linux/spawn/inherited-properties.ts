// Properties that a child inherits from the agent but should have different values: set on the
// agent just before a start and restored just after it. The start is one synchronous call, so no
// wrapper process is needed and a child never runs with the wrong value. Costs nothing if the agent
// already has the wanted value.

import { openSync, readFileSync, writeSync } from "node:fs";
import { getPriority, setPriority } from "node:os";
import koffi from "koffi";
import { CAP_SYS_NICE, hasCapability } from "../capabilities.ts";
import { systemError } from "../errno.ts";
import { libc } from "../libc.ts";

/** Undefined: the value of the agent. */
export interface ChildProperties {
  /** The soft limit on open files, at most the hard limit, which stays. */
  readonly openFiles?: number | undefined;
  /**
   * -1000 to 1000; the kernel kills higher ones first when memory runs out. `atLeast`: or the
   * agent's, if higher.
   */
  readonly oomScoreAdj?: number | { readonly atLeast: number } | undefined;
  /** -20 to 19. */
  readonly nice?: number | undefined;
  /** As ioprio_set(2) takes it: the class in bits 13 to 15, the level below. 0 follows nice. */
  readonly ioPriority?: number | undefined;
}

/** A property whose own and wanted value differ. */
interface Property {
  readonly name: string;
  readonly own: number;
  readonly wanted: number;
  set(value: number): void;
}

export class InheritedProperties {
  readonly #properties: readonly Property[];

  /**
   * `onRefused` gets a message for each property that this agent may not set or restore: commands
   * keep the agent's.
   */
  constructor(wanted: ChildProperties, onRefused: (message: string) => void) {
    const properties = [openFiles(wanted), oomScoreAdj(wanted), nice(wanted), ioPriority(wanted)];
    this.#properties = properties.flatMap((property) => {
      if (property === undefined || property.own === property.wanted) return [];
      if (canSwitch(property)) return [property];
      onRefused(
        `${property.name} stays ${property.own} for commands: no right to make it ${property.wanted}`,
      );
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
      restore(changed);
    }
  }
}

/**
 * Restores all of them, then throws the first failure. Not a HoldfastError: `start` has happened.
 */
function restore(properties: readonly Property[]): void {
  const failures: unknown[] = [];
  for (const property of properties) {
    try {
      property.set(property.own);
    } catch (error) {
      failures.push(new Error(`cannot restore ${property.name} of the agent`, { cause: error }));
    }
  }
  if (failures.length > 0) throw failures[0];
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
 * Node raises its soft limit to the hard limit at its start and does not report the old value. While
 * the limit is lowered, a thread of Node that opens a file fails if the agent has more open files
 * than commands may have. That is rare, and the error says so.
 */
function openFiles({ openFiles: asked }: ChildProperties): Property | undefined {
  if (asked === undefined) return undefined;
  const atStart = limitsOf(RLIMIT_NOFILE);
  const wanted = Math.min(asked, Number(atStart.hard));
  // Read again each time: a privileged process can change the limits of a running agent.
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
 * Restoring needs no privilege: the kernel allows every value down to the lowest that a privileged
 * process set. A privileged agent moves this bound, so that a command cannot take the agent's
 * protection for itself.
 */
function oomScoreAdj({ oomScoreAdj: asked }: ChildProperties): Property | undefined {
  if (asked === undefined) return undefined;
  const path = "/proc/self/oom_score_adj";
  const own = Number(readFileSync(path, "utf8"));
  const wanted = typeof asked === "number" ? asked : Math.max(asked.atLeast, own);
  // Opened when first needed; stays open as long as the agent runs.
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

/** The value of the main thread, which children inherit. */
function nice({ nice: wanted }: ChildProperties): Property | undefined {
  if (wanted === undefined) return undefined;
  const own = getPriority();
  return {
    name: "nice",
    own,
    wanted,
    set(value) {
      // Every process may lower its priority, but could then not restore it.
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

/**
 * Without an own I/O priority, some kernels report the one that follows from nice: best effort, at
 * this level.
 */
function followingNice(): number {
  return (IOPRIO_CLASS_BEST_EFFORT << IOPRIO_CLASS_SHIFT) | Math.floor((getPriority() + 20) / 5);
}
