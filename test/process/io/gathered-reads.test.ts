// The output of a terminal is read in one turn of the event loop, although one read returns at most
// 4 KiB.

import { closeSync, constants, openSync, writeSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { MemoryBudget } from "../../../src/multiplexer/index.ts";
import { openTerminal } from "../../../src/process/io/stdio.ts";
import { eventually } from "../../support/proc/proc.ts";

test("output of a program to its terminal arrives in fewer pieces than reads", async () => {
  const stdio = openTerminal({ cols: 80, rows: 24 });
  const pieces: number[] = [];
  const path = stdio.child.kind === "pty" ? stdio.child.path : "";
  const slave = openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  const { readers, release } = stdio.attach("process 1", new MemoryBudget(1_000_000), () => ({
    push: (data) => void pieces.push(data.length),
    onReadOut: () => undefined,
    onEnd: () => undefined,
  }));
  onTestFinished(() => {
    closeSync(slave);
    release();
    for (const reader of readers) {
      reader.readOut();
      reader.discard();
    }
  });
  let written = 0;
  const write = () => {
    try {
      written += writeSync(slave, Buffer.alloc(4096, "x"));
      return true;
    } catch {
      return false;
    }
  };
  while (written < 12_288 && write());
  expect(written).toBeGreaterThan(8192);
  for (const reader of readers) reader.setReading(true);
  const total = () => pieces.reduce((sum, bytes) => sum + bytes, 0);
  await eventually(
    "all of it is read",
    () => total() === written,
    () => ({ pieces, written }),
  );
  expect(Math.max(...pieces)).toBeGreaterThan(4096);
});
