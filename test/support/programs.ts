// Programs that tests need and that not every machine has. Without one, its tests are skipped, and a line on stderr says
// so. In CI, where .ci/run installs all of them, they fail: no test is skipped there because a program is missing.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { TestRunner } from "vitest";

/** For conditions outside of tests. `tests` says what is skipped. */
export function hasPrograms(tests: string, ...names: readonly string[]): boolean {
  const reason = whyMissing(names);
  if (reason === undefined) return true;
  if (isInCi()) throw new Error(`${tests}: ${reason}; CI skips no test: install it in .ci/run`);
  process.stderr.write(`SKIPPED: ${tests}: ${reason}\n`);
  return false;
}

/** Within a test: skips the rest of it unless all programs are there. */
export function needPrograms(...names: readonly string[]): void {
  const reason = whyMissing(names);
  if (reason === undefined) return;
  const test = TestRunner.getCurrentTest();
  if (test === undefined || isInCi()) throw new Error(`${reason}; CI skips no test: install it in .ci/run`);
  process.stderr.write(`SKIPPED: ${test.file.name}, "${test.name}": ${reason}\n`);
  test.context.skip(reason);
}

function whyMissing(names: readonly string[]): string | undefined {
  const missing = names.filter((name) => !isInPath(name));
  return missing.length === 0 ? undefined : `not in PATH: ${missing.join(", ")}`;
}

function isInPath(name: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** As GitHub, GitLab and .ci/run set it. */
function isInCi(): boolean {
  return !["", "0", "false"].includes(process.env["CI"] ?? "");
}
