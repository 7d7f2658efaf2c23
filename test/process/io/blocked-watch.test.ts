// A process that is stuck in a write because no client reads its output is visible, once (rule 9).

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Process } from "../../../src/process/index.ts";
import { createTable, type LogLine } from "../../support/agent/process-table.ts";
import { eventually } from "../../support/proc/proc.ts";

const SIZE = { cols: 80, rows: 24 };

async function startAndLeave(script: string, stdio: "pipes" | "pty"): Promise<[Process, LogLine[]]> {
  const warnings: LogLine[] = [];
  const process = await createTable({ warnings }).start({
    cmd: "sh",
    args: ["-c", script],
    environment: {},
    cwd: "/",
    stdio: stdio === "pty" ? { kind: "pty", size: SIZE } : { kind: "pipes", stdin: false },
    output: { detached: "block" },
  });
  process.output.fork({ onReadable: nothing }).detach();
  return [process, warnings];
}

function nothing(): void {
  // The subscriber leaves at once.
}

function readToEnd({ output }: Process): Promise<number> {
  return new Promise((resolve) => {
    let bytes = 0;
    const pump = () => {
      for (let read = subscriber.read(); read.kind !== "empty"; read = subscriber.read()) {
        if (read.kind === "end") return resolve(bytes);
        if (read.kind === "chunk") bytes += read.chunk.data.length;
        subscriber.delivered();
      }
    };
    const subscriber = output.fork({ onReadable: pump });
    pump();
  });
}

test.each(["pipes", "pty"] as const)(
  "on %s, a detached process that fills its output is blocked until a client reads",
  async (stdio) => {
    const [process, warnings] = await startAndLeave("head -c 300000 /dev/zero", stdio);
    await eventually(
      "it is blocked",
      () => process.blockedMs !== undefined,
      () => process.output.head,
    );
    // Looking again reports nothing new, and the time passes.
    const before = process.blockedMs ?? 0;
    await eventually(
      "the time passes",
      () => (process.blockedMs ?? 0) > before,
      () => before,
    );
    expect(warnings).toHaveLength(1);
    expect(warnings[0]?.message).toMatch(/^process is blocked in a write because no client reads its output/);
    expect(await readToEnd(process)).toBe(300_000);
    expect(process.blockedMs).toBe(undefined);
  },
);

test.each(["pipes", "pty"] as const)(
  "on %s, a detached process is not blocked while its output has room",
  async (stdio) => {
    const [process, warnings] = await startAndLeave("printf hello; exec sleep 1000", stdio);
    await eventually(
      "it sleeps",
      () => readFileSync(`/proc/${process.pid}/cmdline`, "latin1").startsWith("sleep"),
      () => process.pid,
    );
    expect(process.blockedMs).toBe(undefined);
    process.signal(9);
    expect(await readToEnd(process)).toBe(5);
    expect(warnings).toEqual([]);
  },
);

test("an observer does not make a blocked process run, and it stays blocked", async () => {
  const [process] = await startAndLeave("head -c 300000 /dev/zero", "pipes");
  await eventually(
    "it is blocked",
    () => process.blockedMs !== undefined,
    () => process.output.head,
  );
  const observer = process.output.fork({ isObserver: true, onReadable: nothing });
  while (observer.read().kind === "chunk") observer.delivered();
  expect(process.blockedMs).toBeDefined();
  observer.detach();
  expect(await readToEnd(process)).toBe(300_000);
});
