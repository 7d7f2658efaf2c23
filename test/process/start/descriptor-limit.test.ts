// Starts with too few free descriptors: each open of the start fails in turn.

import { expect, onTestFinished, test } from "vitest";
import { libc } from "../../../src/linux/libc.ts";
import { outputOf } from "../../support/agent/process-output.ts";
import { createTable } from "../../support/agent/process-table.ts";
import { command, PTY } from "../../support/clients/start-requests.ts";
import { openDescriptors } from "../../support/proc/open-descriptors.ts";

const RLIMIT_NOFILE = 7;
const getrlimit = libc.func("int getrlimit(int resource, _Out_ uint64_t *limits)");
const setrlimit = libc.func("int setrlimit(int resource, uint64_t *limits)");

// The terminal first: loading its native part with the first one also needs descriptors and may
// fail.
test.each([
  ["a terminal", command("echo", ["hi"], { stdio: PTY })],
  ["pipes", command("echo", ["hi"])],
  ["pipes without stdin", command("echo", ["hi"], { stdio: { kind: "pipes", stdin: false } })],
])(
  "a start on %s that runs out of descriptors is resource_exhausted, leaves none open, and the next one works",
  async (_, request) => {
    const table = createTable();
    const refused: number[] = [];
    for (let spare = 0; ; spare++) {
      const before = openDescriptors();
      const result = await startWith(spare, () => table.start(request));
      if (result.kind === "refused") {
        refused.push(spare);
        expect(result.error).toMatchObject({ name: "HoldfastError", code: "resource_exhausted" });
        expect(openDescriptors()).toEqual(before);
        expect(table.list()).toEqual([]);
      } else {
        expect(await outputOf(result.value)).toMatchObject({ end: { exitCode: 0 } });
        break;
      }
    }
    expect(refused.length).toBeGreaterThan(2);
  },
);

/** Runs `start` while only `spare` more descriptors may be opened. */
async function startWith<T>(spare: number, start: () => Promise<T>) {
  const limits: [bigint | number, bigint | number] = [0, 0];
  if (getrlimit(RLIMIT_NOFILE, limits) !== 0) throw new Error("getrlimit");
  const restore = () => setrlimit(RLIMIT_NOFILE, limits);
  onTestFinished(() => void restore());
  // The limit is on numbers, not on the count: those in use may be anywhere below it.
  const used = new Set(openDescriptors().map((line) => Number.parseInt(line, 10)));
  let limit = 0;
  for (let free = 0; free < spare || used.has(limit); limit++) if (!used.has(limit)) free++;
  if (setrlimit(RLIMIT_NOFILE, [limit, limits[1]]) !== 0) throw new Error("setrlimit");
  try {
    return { kind: "started", value: await start() } as const;
  } catch (error) {
    return { kind: "refused", error } as const;
  } finally {
    restore();
  }
}
