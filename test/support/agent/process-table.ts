// A ProcessTable in the test's own process, for one test. Afterwards all its processes are dead and
// reaped, and the open descriptors are the same as before. A file that uses this must not use
// node:child_process, because the table's reaper would reap those children.

import { onTestFinished } from "vitest";
import { ProcessTable, type ProcessTableOptions } from "../../../src/process/index.ts";
import { openDescriptors } from "../proc/open-descriptors.ts";
import { childrenOf, eventually } from "../proc/proc.ts";

export interface LogLine {
  readonly message: string;
  readonly fields: object;
}

/**
 * `warnings` receives each line that the table logs as a warning or an error. Without it, such a
 * line fails the test.
 */
export function createTable(
  options: Partial<ProcessTableOptions> & { readonly warnings?: LogLine[] } = {},
): ProcessTable {
  const { warnings = [], ...settings } = options;
  const note = (fields: object, message: string) => void warnings.push({ message, fields });
  const silent = () => {
    // These levels are not checked.
  };
  const table = new ProcessTable({
    logger: { debug: silent, info: silent, warn: note, error: note },
    ...settings,
  });
  const before = openDescriptors();
  onTestFinished(async () => {
    await untilNothingRuns(table);
    await untilSameDescriptors(before);
    if (options.warnings === undefined && warnings.length > 0)
      throw new Error(`the table warned: ${JSON.stringify(warnings)}`);
  }, 35_000);
  return table;
}

/**
 * Orphans become children of this process, so its children are all that is left: the table's, and
 * their orphans.
 */
async function untilNothingRuns(table: ProcessTable): Promise<void> {
  const left = () => ({ children: childrenOf(process.pid), listed: table.list().map(({ pid }) => pid) });
  await eventually(
    "all processes of the test are gone",
    () => {
      for (const pid of childrenOf(process.pid)) process.kill(pid, "SIGKILL");
      const { children, listed } = left();
      return children.length === 0 && listed.length === 0;
    },
    left,
  );
}

async function untilSameDescriptors(before: readonly string[]): Promise<void> {
  await eventually(
    "the descriptors are those of before",
    () => openDescriptors().join() === before.join(),
    () => ({ before, after: openDescriptors() }),
  );
}
