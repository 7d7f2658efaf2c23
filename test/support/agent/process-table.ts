// A ProcessTable inside the test's own process, for one test: afterwards everything it ran is dead and reaped, and the
// descriptors are those of before. A file that uses this must not use node:child_process, whose children the table's
// reaper would take away.

import { onTestFinished } from "vitest";
import { ProcessTable, type ProcessTableOptions } from "../../../src/process/index.ts";
import { openDescriptors } from "../proc/open-descriptors.ts";
import { childrenOf, eventually } from "../proc/proc.ts";

export interface LogLine {
  readonly message: string;
  readonly fields: object;
}

/** `warnings` is given each line the table logs as a warning or an error; without, one fails the test. */
export function createTable(
  options: Partial<ProcessTableOptions> & { readonly warnings?: LogLine[] } = {},
): ProcessTable {
  const { warnings = [], ...settings } = options;
  const note = (fields: object, message: string) => void warnings.push({ message, fields });
  const silent = () => {
    // Nobody asks for these.
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

/** Orphans were adopted by this very process, so its children are all there are: the table's and what these left. */
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
