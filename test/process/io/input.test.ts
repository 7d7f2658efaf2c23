// Input of a process: in order, as fast as the process reads, and refused with the reason if it
// never will.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Process } from "../../../src/process/index.ts";
import { INPUT_QUEUE_BYTES } from "../../../src/process/io/input.ts";
import { collectOutput, outputOf } from "../../support/agent/process-output.ts";
import { createTable } from "../../support/agent/process-table.ts";
import { command, PTY, script, terminalScript } from "../../support/clients/start-requests.ts";
import { inTime } from "../../support/deadline.ts";
import { createFifo } from "../../support/proc/fifo.ts";
import { childrenOf, eventually } from "../../support/proc/proc.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

const MIB = 1024 * 1024;
const SIGKILL = 9;

test("many writes at once arrive complete and in the order of the calls", async () => {
  const table = createTable();
  const process = await table.start(command("cat"));
  const output = collectOutput(process);
  // From one byte to more than a pipe holds, so that some are written at once and some wait.
  const pieces = Array.from({ length: 200 }, (_, index) =>
    `${index},`.repeat(1 + ((index * 7_919) % 20_000)),
  );

  await Promise.all(pieces.map((piece) => process.write("stdin", Buffer.from(piece))));
  process.closeStdin();

  expect((await output.end()).exitCode).toBe(0);
  expect(output.text("stdout") === pieces.join("")).toBe(true);
});

test("100 MB of input that a process reads late cost the agent no memory, and every byte arrives", async () => {
  const table = createTable();
  const fifo = createFifo();
  const process = await table.start(script(`${fifo.wait}; sha256sum`));
  const output = collectOutput(process);
  const hash = createHash("sha256");
  const total = 100;
  // A piece may be changed only after it was accepted, so two pieces alternate.
  const pieces = [Buffer.alloc(MIB), Buffer.alloc(MIB)];
  let peak = 0;
  let before = 0;
  for (let index = 0; index < total; index++) {
    const piece = pieces[index % 2] ?? Buffer.alloc(0);
    piece.fill(`piece ${index};`);
    hash.update(piece);
    const writing = process.write("stdin", piece);
    if (index === 0) {
      expect(await isSettled(writing)).toBe(false);
      fifo.open();
    }
    await writing;
    const { rss, external } = globalThis.process.memoryUsage();
    if (index === 10) before = rss + external;
    peak = Math.max(peak, rss + external);
  }
  process.closeStdin();

  expect((await output.end()).exitCode).toBe(0);
  expect(output.text("stdout")).toBe(`${hash.digest("hex")}  -\n`);
  // Half of the input: on a loaded machine V8 collects late.
  expect(peak - before).toBeLessThan(50 * MIB);
});

test("closeStdin delivers end of file after all earlier input, even if that still waits", async () => {
  const table = createTable();
  const fifo = createFifo();
  const process = await table.start(script(`${fifo.wait}; wc -c`));
  const output = collectOutput(process);
  const writes = [process.write("stdin", Buffer.alloc(MIB)), process.write("stdin", Buffer.alloc(MIB + 7))];
  process.closeStdin();
  process.closeStdin();

  const refusal = {
    code: "failed_precondition",
    message: `process ${process.pid} has a closed stdin: it takes no input`,
  };
  await expect(process.write("stdin", Buffer.from("late"))).rejects.toMatchObject(refusal);
  for (const write of writes) expect(await isSettled(write)).toBe(false);
  fifo.open();
  await Promise.all(writes);

  expect((await output.end()).exitCode).toBe(0);
  expect(output.text("stdout").trim()).toBe(String(2 * MIB + 7));
  process.closeStdin();
});

test("an empty write is accepted and is not end of file", async () => {
  const table = createTable();
  const process = await table.start(command("cat"));
  const output = collectOutput(process);
  await process.write("stdin", Buffer.alloc(0));
  await process.write("stdin", Buffer.from("more"));
  process.closeStdin();

  await output.end();
  expect(output.text("stdout")).toBe("more");
});

test("input of the wrong kind, or to a process without input, is refused naming the process", async () => {
  const table = createTable();
  const onPipes = await table.start(command("sleep", ["60"]));
  const onPty = await table.start(command("sleep", ["60"], { stdio: PTY }));
  const without = await table.start(command("sleep", ["60"], { stdio: { kind: "pipes", stdin: false } }));
  const data = Buffer.from("x");

  const refusal = (message: string) => ({ name: "HoldfastError", code: "failed_precondition", message });
  await expect(onPipes.write("pty", data)).rejects.toMatchObject(
    refusal(`process ${onPipes.pid} has no pty input: it runs on pipes`),
  );
  const noStdin = refusal(`process ${onPty.pid} has no stdin input: it runs on a pty`);
  await expect(onPty.write("stdin", data)).rejects.toMatchObject(noStdin);
  expect(() => onPty.closeStdin()).toThrow(expect.objectContaining(noStdin));
  const none = refusal(`process ${without.pid} has no stdin: it was started without one`);
  await expect(without.write("stdin", data)).rejects.toMatchObject(none);
  await expect(without.write("pty", data)).rejects.toMatchObject({ code: "failed_precondition" });
  expect(() => without.closeStdin()).toThrow(expect.objectContaining(none));
});

test("input to a process that has closed its stdin is refused with EPIPE, and so is waiting input", async () => {
  const table = createTable();
  const fifo = createFifo();
  const process = await table.start(script(`echo ready; ${fifo.wait}; exec 0<&-; echo closed; sleep 60`));
  const output = collectOutput(process);
  await output.waitFor("stdout", /ready/);
  const waiting = [MIB, 10].map((bytes) => outcomeOf(process.write("stdin", Buffer.alloc(bytes))));
  const refusal = {
    code: "failed_precondition",
    message: `process ${process.pid} closed its stdin (EPIPE): it takes no input`,
  };
  fifo.open();
  await output.waitFor("stdout", /closed/);

  for (const outcome of waiting) expect(await outcome).toMatchObject(refusal);
  await expect(process.write("stdin", Buffer.from("x"))).rejects.toMatchObject(refusal);
  process.closeStdin();
  expect(process.isRunning).toBe(true);
});

test("the first write after a process closed its stdin is refused", async () => {
  const table = createTable();
  const process = await table.start(script("exec 0<&-; echo closed; sleep 60"));
  await collectOutput(process).waitFor("stdout", /closed/);

  await expect(process.write("stdin", Buffer.from("x"))).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringContaining("EPIPE"),
  });
});

test.each([
  ["pipes", "stdin", script("echo ready; sleep 60")],
  [
    "pipes, its stdin held by a child",
    "stdin",
    script("sleep 60 <&0 > /dev/null 2>&1 & echo ready; exec sleep 60"),
  ],
  ["a terminal", "pty", terminalScript("stty raw -echo; echo ready; exec sleep 60")],
] as const)(
  "at the end of a process on %s waiting input is refused, and so is later input",
  async (_, kind, request) => {
    const table = createTable();
    const process = await table.start(request);
    const output = collectOutput(process);
    await output.waitFor(kind === "pty" ? "pty" : "stdout", /ready/);
    const waiting = [MIB, 10].map((bytes) => outcomeOf(process.write(kind, Buffer.alloc(bytes, "x"))));
    process.signal(SIGKILL);
    await output.end();

    for (const outcome of waiting)
      expect(await inTime(outcome, () => "the write still waits")).toMatchObject({
        code: "failed_precondition",
        // Depends on which of the two the agent detects first.
        message: expect.stringMatching(
          new RegExp(
            `^process ${process.pid} (has ended|closed its (stdin \\(EPIPE\\)|pty)): it takes no input$`,
          ),
        ),
      });
    expect(await outcomeOf(process.write(kind, Buffer.from("x")))).toMatchObject({
      code: "failed_precondition",
      message: `process ${process.pid} has ended: it takes no input`,
    });
  },
);

test("input that waits for a terminal is refused at the end, even while an orphan holds the terminal", async () => {
  const table = createTable();
  const process = await table.start(
    terminalScript("trap '' HUP; stty raw -echo; sleep 60 & echo ready; exec sleep 60"),
  );
  const output = collectOutput(process);
  await output.waitFor("pty", /ready/);
  const outcome = outcomeOf(process.write("pty", Buffer.alloc(MIB, "x")));
  process.signal(SIGKILL);
  await output.end();

  // The process has ended: the waiting input will never be read.
  expect(await inTime(outcome, () => "the write still waits")).toMatchObject({ code: "failed_precondition" });
});

test("input that waits for a terminal leaves the memory budget at the end, and an orphan can still write to the terminal", async () => {
  const table = createTable({ retainEndedMs: 0 });
  const fifo = createFifo();
  const written = join(createTempFolder(), "written");
  const before = table.memoryBudget.heldBytes;
  const process = await table.start(
    terminalScript(
      `trap '' HUP; stty raw -echo; { ${fifo.wait}; seq 100000 && touch ${written}; } & echo ready; exec sleep 60`,
    ),
  );
  const output = collectOutput(process);
  await output.waitFor("pty", /ready/);
  void outcomeOf(process.write("pty", Buffer.alloc(MIB, "x")));
  expect(table.memoryBudget.heldBytes - before).toBeGreaterThan(MIB);
  process.signal(SIGKILL);
  await output.end();
  await eventually(
    "nothing is held",
    () => table.memoryBudget.heldBytes === before,
    () => table.memoryBudget.heldBytes - before,
  );
  fifo.open();
  await eventually(
    "the orphan has written everything",
    () => existsSync(written),
    () => childrenOf(globalThis.process.pid),
  );
});

test("a client that sends more than the queue holds is refused, and its earlier input is kept", async () => {
  const table = createTable();
  const fifo = createFifo();
  const process = await table.start(script(`${fifo.wait}; wc -c`));
  const output = collectOutput(process);
  const piece = Buffer.alloc(4 * MIB);
  const taken = Array.from({ length: INPUT_QUEUE_BYTES / piece.length }, () => process.write("stdin", piece));

  await expect(process.write("stdin", piece)).rejects.toMatchObject({
    code: "resource_exhausted",
    message: expect.stringMatching(
      new RegExp(
        `^process ${process.pid} does not read its input: \\d+ bytes wait already, ${piece.length} more`,
      ),
    ),
  });
  fifo.open();
  await Promise.all(taken);
  await process.write("stdin", Buffer.from("and on"));
  process.closeStdin();

  await output.end();
  expect(Number(output.text("stdout"))).toBe(INPUT_QUEUE_BYTES + 6);
});

test("a single write may be larger than the queue", async () => {
  const table = createTable();
  const process = await table.start(command("wc", ["-c"]));
  const output = collectOutput(process);
  await process.write("stdin", Buffer.alloc(INPUT_QUEUE_BYTES + 1));
  process.closeStdin();

  await output.end();
  expect(Number(output.text("stdout"))).toBe(INPUT_QUEUE_BYTES + 1);
});

test("a process that ends during continuous input leaves nothing behind", async () => {
  const table = createTable();
  for (let round = 0; round < 10; round++) {
    const process = await table.start(script("head -c 100000 > /dev/null"));
    const ended = outputOf(process);
    const piece = Buffer.alloc(10_000);
    let refused: unknown;
    while (refused === undefined)
      await process.write("stdin", piece).catch((error: unknown) => (refused = error));
    expect(refused).toMatchObject({ code: "failed_precondition" });
    expect((await ended).end.exitCode).toBe(0);
  }
});

test.each([
  [
    "the process closed its stdin",
    async (process: Process) => {
      await outcomeOf(process.write("stdin", Buffer.alloc(MIB), { at: 0 }));
    },
    script("exec 0<&-; sleep 60"),
  ],
  [
    "stdin was closed before",
    async (process: Process) => {
      process.closeStdin();
      await outcomeOf(process.write("stdin", Buffer.alloc(MIB), { at: 0 }));
    },
    command("sleep", ["60"]),
  ],
  [
    "the process ended without reading",
    async (process: Process) => {
      const write = outcomeOf(process.write("stdin", Buffer.alloc(MIB), { at: 0 }));
      process.signal(SIGKILL);
      await write;
    },
    command("sleep", ["60"]),
  ],
] as const)("a repeat of input that failed because %s fails again", async (_, fail, request) => {
  const process = await createTable().start(request);
  await fail(process);

  for (let repeat = 0; repeat < 2; repeat++)
    expect(await outcomeOf(process.write("stdin", Buffer.alloc(MIB), { at: 0 }))).toMatchObject({
      code: "failed_precondition",
    });
  expect(process.inputBytes).toBe(0);
});

test("input whose call is given up before it began is dropped, and its place is free", async () => {
  const table = createTable();
  const fifo = createFifo();
  const process = await table.start(script(`${fifo.wait}; cat`));
  const output = collectOutput(process);
  const first = process.write("stdin", Buffer.alloc(MIB, "a"), { at: 0 });
  const leave = new AbortController();
  const dropped = outcomeOf(process.write("stdin", Buffer.alloc(MIB, "b"), { at: MIB }, leave.signal));
  const before = table.memoryBudget.heldBytes;
  leave.abort();

  expect(await dropped).toMatchObject({ code: "unavailable" });
  expect(before - table.memoryBudget.heldBytes).toBe(MIB);
  const other = process.write("stdin", Buffer.alloc(10, "c"), { at: MIB });
  fifo.open();
  expect([await first, await other]).toEqual([MIB, MIB + 10]);
  process.closeStdin();
  await output.end();
  expect(output.text("stdout") === "a".repeat(MIB) + "c".repeat(10)).toBe(true);
});

test("input that follows dropped input leaves a hole and is refused when its turn comes", async () => {
  const table = createTable();
  const fifo = createFifo();
  const process = await table.start(script(`${fifo.wait}; cat > /dev/null`));
  const first = process.write("stdin", Buffer.alloc(MIB), { at: 0 });
  const leave = new AbortController();
  const dropped = outcomeOf(process.write("stdin", Buffer.alloc(10), { at: MIB }, leave.signal));
  const after = outcomeOf(process.write("stdin", Buffer.alloc(10), { at: MIB + 10 }));
  leave.abort();
  await dropped;
  fifo.open();

  expect(await first).toBe(MIB);
  expect(await after).toMatchObject({ code: "out_of_range" });
});

test("two writes of the same place while the first still waits are applied once", async () => {
  const table = createTable();
  const fifo = createFifo();
  const process = await table.start(script(`${fifo.wait}; wc -c`));
  const output = collectOutput(process);
  const writes = [0, 1].map(() => process.write("stdin", Buffer.alloc(MIB), { at: 0 }));
  fifo.open();
  expect(await Promise.all(writes)).toEqual([MIB, MIB]);
  process.closeStdin();
  await output.end();
  expect(output.text("stdout").trim()).toBe(String(MIB));
});

test("waiting input is in the memory budget: more than fits is refused, and room is free when it is read", async () => {
  const table = createTable({ memoryBudgetBytes: 8 * MIB });
  const fifo = createFifo();
  const processes = await Promise.all([0, 1, 2].map(() => table.start(script(`${fifo.wait}; wc -c`))));
  const outputs = processes.map((process) => collectOutput(process));
  const before = table.memoryBudget.heldBytes;
  const piece = Buffer.alloc(3 * MIB);
  const writes = processes.map((process) => outcomeOf(process.write("stdin", piece)));

  expect(await writes[2]).toMatchObject({
    code: "resource_exhausted",
    message: expect.stringMatching(/more exceed the memory budget \(--memory-budget\)$/),
  });
  expect(table.memoryBudget.heldBytes - before).toBe(6 * MIB);
  fifo.open();
  expect(await Promise.all(writes.slice(0, 2))).toEqual(["taken", "taken"]);
  expect(table.memoryBudget.heldBytes - before).toBe(0);
  for (const process of processes) process.closeStdin();
  await Promise.all(outputs.map((output) => output.end()));
});

test("the names of writers are in the memory budget while their process is known, and without room the oldest are forgotten", async () => {
  const table = createTable({ memoryBudgetBytes: 64 * 1024, retainEndedMs: 60_000 });
  const process = await table.start(command("cat"));
  const output = collectOutput(process);
  const before = table.memoryBudget.heldBytes;
  const place = (n: number) => ({ at: 0, writer: `${n} `.padEnd(128, "漢") });
  await process.write("stdin", Buffer.from("x"), place(0));
  expect(table.memoryBudget.heldBytes - before).toBeGreaterThan(2 * 128);
  for (let n = 1; n < 256; n++) await process.write("stdin", Buffer.from("x"), place(n));
  expect(table.memoryBudget.heldBytes).toBeLessThanOrEqual(64 * 1024);
  // Applied once, and again after it was forgotten.
  await process.write("stdin", Buffer.from("x"), place(255));
  expect(process.inputBytes).toBe(256);
  await process.write("stdin", Buffer.from("x"), place(0));
  expect(process.inputBytes).toBe(257);
  process.closeStdin();
  await output.end();
  expect(output.text("stdout")).toBe("x".repeat(257));

  await table.shutdown(0);
  expect(table.memoryBudget.heldBytes).toBe(0);
});

/** Whether it is settled some turns of the event loop later. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void outcomeOf(promise).then(() => {
    settled = true;
  });
  for (let turns = 0; turns < 20; turns++) await turn();
  return settled;
}

/**
 * The result of a write: "taken", or the error. Handled from the start, so it can be awaited at any
 * time.
 */
function outcomeOf(write: Promise<unknown>): Promise<unknown> {
  return write.then(
    () => "taken",
    (error: unknown) => error,
  );
}
