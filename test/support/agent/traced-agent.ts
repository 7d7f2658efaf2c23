// An agent under strace: which system calls it makes, and what it does when the kernel refuses some.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hasPrograms } from "../programs.ts";
import { createTempFolder } from "../temp-folder.ts";
import { type RunningAgent, startAgent } from "./agent.ts";

export const hasStrace = hasPrograms("tests of system calls", "strace");

export interface TracedAgent extends RunningAgent {
  /** The system calls so far, one in a line. */
  calls(): string;
}

/**
 * `inject`: as strace's --inject, such as "openat2:error=ENOSYS". `paths`: only calls on these files. `prefix`: a command that
 * starts strace.
 */
export async function startTracedAgent(
  trace: readonly string[],
  args: readonly string[],
  inject: readonly string[] = [],
  paths: readonly string[] = [],
  prefix: readonly string[] = [],
): Promise<TracedAgent> {
  const file = join(createTempFolder(), "trace");
  const agent = await startAgent({
    args,
    prefix: [
      ...prefix,
      ...["strace", "-D", "-f", "-qq", "--signal=none", "-e", `trace=${trace.join(",")}`, "-o", file],
      ...paths.flatMap((path) => ["-P", path]),
      ...inject.flatMap((rule) => ["-e", `inject=${rule}`]),
    ],
    // Each system call costs two switches to strace.
    deadlineMs: 30_000,
  });
  return { ...agent, calls: () => readFileSync(file, "utf8") };
}
