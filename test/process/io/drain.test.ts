// The end of the output (rules 2 to 4): all bytes written before the exit, then the end, with any
// orphan.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { collectOutput, outputOf } from "../../support/agent/process-output.ts";
import { createTable } from "../../support/agent/process-table.ts";
import { command, PIPES, PTY, script } from "../../support/clients/start-requests.ts";
import { createFifo } from "../../support/proc/fifo.ts";
import { openDescriptors } from "../../support/proc/open-descriptors.ts";
import { eventually, stateOf } from "../../support/proc/proc.ts";
import { untilBlockedInWrite } from "../../support/proc/proc-activity.ts";
import { needPrograms } from "../../support/programs.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

const LONG_MS = 60_000;
const SIGKILL = 9;
const BURST = 300_000;
/** A shell command that writes `BURST` bytes of numbered lines, so that a missing piece shows. */
const writeBurst = `seq -f '%09.0f' 1 ${BURST / 10}`;
/** The received text: a terminal adds a carriage return before each newline. */
const burst = { pipes: burstText("\n"), pty: burstText("\r\n") };

const both = [
  { name: "pipes", stdio: PIPES, stream: "stdout", text: burst.pipes },
  { name: "a terminal", stdio: PTY, stream: "pty", text: burst.pty },
] as const;

test.each(both)(
  "300 kB of a process that exits at once arrive complete on $name, 40 times in parallel",
  async ({ stdio, stream, text }) => {
    const table = createTable();
    const whole = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const found = await outputOf(await table.start(script(writeBurst, { stdio })));
        return found[stream] === text && found.end.exitCode === 0;
      }),
    );

    expect(whole.filter((isWhole) => isWhole)).toHaveLength(40);
  },
);

test.each(both)(
  "300 kB that are not read wait on $name until a client attaches, and so does the exit",
  async ({ stdio, stream, text }) => {
    const table = createTable();
    const process = await table.start(script(`exec ${writeBurst}`, { stdio }));
    await untilBlockedInWrite(process.pid);
    expect(process.output.head).toBe(0);
    const found = await outputOf(process);

    expect(found[stream] === text).toBe(true);
    expect(found.end.exitCode).toBe(0);
  },
);

test.each(both)(
  "output that fits the kernel's buffer of $name survives a process that exits while no client is attached",
  async ({ stdio, stream, text }) => {
    const table = createTable({ drainTimeoutMs: LONG_MS });
    const bytes = stdio.kind === "pty" ? 9_000 : 60_000;
    const process = await table.start(script(`${writeBurst} | head -c ${bytes}`, { stdio }));
    await eventually(
      "it has ended",
      () => process.output.end !== undefined,
      () => process.isRunning,
    );
    const found = await outputOf(process);

    expect(found[stream]).toBe(text.slice(0, found[stream].length));
    expect(found[stream].replaceAll("\r", "")).toHaveLength(bytes);
  },
);

test.each(both)(
  "an exit on $name while a client does not read loses nothing, and the end comes last",
  async ({ stdio, stream, text }) => {
    const table = createTable({ windowBytes: 64 * 1024 });
    const process = await table.start(script(writeBurst, { stdio }));
    const output = collectOutput(process);
    await output.waitFor(stream, /000000100\r?\n/);
    output.pause();
    // It writes until window and pipe are full, and then waits until the client reads again.
    await eventually(
      "the gate is closed",
      () => !process.output.isReading,
      () => process.output.heldBytes,
    );
    output.resume();

    expect((await output.end()).exitCode).toBe(0);
    expect(output.text(stream) === text).toBe(true);
  },
);

test.each(both)(
  "the last output of a process killed on $name while the gate is closed arrives when the client reads again",
  async ({ stdio, stream, text }) => {
    const table = createTable({ windowBytes: 32 * 1024 });
    const process = await table.start(script(`${writeBurst} & wait; ${writeBurst}`, { stdio }));
    const output = collectOutput(process, { paused: true });
    await eventually(
      "the gate is closed",
      () => !process.output.isReading,
      () => process.output.heldBytes,
    );
    process.signalGroup(SIGKILL);
    await eventually(
      "it has ended",
      () => process.output.end !== undefined,
      () => process.isRunning,
    );
    output.resume();

    expect((await output.end()).status).toBe("signal: killed");
    const found = output.text(stream);
    expect(found.length).toBeGreaterThanOrEqual(32 * 1024);
    expect(found === text.slice(0, found.length)).toBe(true);
  },
);

test("an orphan that holds stdout and stderr delays the end by at most the drain deadline", async () => {
  const table = createTable({ drainTimeoutMs: 0 });
  const found = await outputOf(await table.start(script("sleep 60 & echo started; echo too >&2; exit 4")));

  expect(found).toMatchObject({ stdout: "started\n", stderr: "too\n", end: { exitCode: 4 } });
});

test("output that an orphan wrote before the exit of its process is delivered, however short the deadline is", async () => {
  const table = createTable({ drainTimeoutMs: 0 });
  const fifo = createFifo();
  const process = await table.start(
    script(`{ ${writeBurst}; echo orphan waits >&2; ${fifo.wait}; } & wait -n $! & read -r line`),
  );
  const output = collectOutput(process);
  await output.waitFor("stderr", /orphan waits/);
  process.closeStdin();
  const end = await output.end();

  expect(end.exited).toBe(true);
  expect(output.text("stdout") === burst.pipes).toBe(true);
  fifo.open();
});

test.each(both)(
  "an orphan on $name that ends before the drain deadline is read to its last byte, and the end comes at once",
  async ({ stdio, stream, text }) => {
    const table = createTable({ drainTimeoutMs: LONG_MS });
    const fifo = createFifo();
    // Ignored before the fork: the session of a terminal gets SIGHUP when its leader exits.
    const process = await table.start(
      script(`trap '' HUP; (${fifo.wait}; exec ${writeBurst}) & exit 6`, { stdio }),
    );
    const output = collectOutput(process);
    await eventually(
      "it is reaped",
      () => !process.isRunning,
      () => process.pid,
    );
    expect(output.text(stream)).toBe("");
    fifo.open();

    expect((await output.end()).exitCode).toBe(6);
    expect(output.text(stream) === text).toBe(true);
  },
);

test.each(both)(
  "an orphan on $name that writes after the end is neither blocked nor killed, and then all is closed",
  async ({ stdio }) => {
    const table = createTable({ drainTimeoutMs: 20 });
    const fifo = createFifo();
    const done = join(createTempFolder(), "done");
    const before = openDescriptors();
    const megabyte = "head -c 1000000 /dev/zero";
    const orphan = `(${fifo.wait}; ${megabyte} && ${megabyte} >&2 && echo ok > ${done})`;
    const process = await table.start(script(`trap '' HUP; ${orphan} & echo started`, { stdio }));
    const output = collectOutput(process);
    await output.end();
    const { head } = process.output;
    expect(existsSync(done)).toBe(false);
    fifo.open();

    await eventually("the orphan has written all", () => existsSync(done), openDescriptors);
    await eventually(
      "its descriptors are closed",
      () => openDescriptors().join() === before.filter((line) => !line.includes("fifo")).join(),
      openDescriptors,
    );
    expect(process.output.head).toBe(head);
  },
);

test.each(both)("a killed process whose child still holds $name ends", async ({ stdio, stream }) => {
  const table = createTable({ drainTimeoutMs: 50 });
  const process = await table.start(script("trap '' HUP; sleep 60 & echo $!; exec sleep 60", { stdio }));
  const output = collectOutput(process);
  const [, orphan] = await output.waitFor(stream, /^(\d+)\r?\n/);
  process.signal(SIGKILL);

  expect((await output.end()).status).toBe("signal: killed");
  expect(stateOf(Number(orphan))).not.toBe(undefined);
});

test.each(both)(
  "orphans on $name that write without pause after the end cost the agent at most a tenth of a core",
  async ({ stdio }) => {
    const table = createTable({ drainTimeoutMs: 0 });
    const processes = await Promise.all(
      Array.from({ length: 4 }, () => table.start(script("trap '' HUP; yes & exit 0", { stdio }))),
    );
    await Promise.all(processes.map((process) => collectOutput(process).end()));
    // The time is that of a process, so that nothing here sleeps. The first measurement compiles
    // the code.
    const shareOfCore = async (seconds: string) => {
      const before = process.cpuUsage();
      const fromMs = performance.now();
      await outputOf(await table.start(command("sleep", [seconds])));
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000 / (performance.now() - fromMs);
    };
    await shareOfCore("0.5");

    expect(await shareOfCore("2")).toBeLessThan(0.1);
  },
);

test("100 processes with orphans leave no descriptor and no zombie when the orphans have ended", async () => {
  const table = createTable({ drainTimeoutMs: 10 });
  const fifo = createFifo();
  const before = openDescriptors();
  await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const { stdio } = index % 2 === 0 ? both[0] : both[1];
      const process = await table.start(script(`trap '' HUP; (${fifo.wait}) & echo started`, { stdio }));
      const found = await outputOf(process);
      expect(found.stdout + found.pty).toMatch(/^started\r?\n$/);
    }),
  );
  expect(openDescriptors().length).toBeGreaterThan(before.length + 100);

  fifo.open();
  // The descriptor of the fifo is also closed.
  await eventually(
    "all descriptors are closed",
    () => openDescriptors().length < before.length,
    openDescriptors,
  );
});

test("a pipe that its process enlarged is read out completely at the exit", async () => {
  const table = createTable({ drainTimeoutMs: 0 });
  const F_SETPIPE_SZ = 1031;
  const enlarge = `import fcntl, os; fcntl.fcntl(1, ${F_SETPIPE_SZ}, 1 << 20); os.write(1, b'0123456789abcdef' * 65536)`;
  needPrograms("python3");
  const process = await table.start(command("python3", ["-c", enlarge]));
  // No client is attached, so its exit shows that the pipe holds everything.
  await eventually(
    "it has ended",
    () => process.output.end !== undefined,
    () => process.isRunning,
  );
  const found = await outputOf(process);

  expect(found).toMatchObject({ stderr: "", end: { exitCode: 0 } });
  expect(found.stdout === "0123456789abcdef".repeat(65_536)).toBe(true);
});

test("a process that closes stdout early continues, its stderr is read, and the end waits for its exit", async () => {
  const table = createTable();
  const process = await table.start(
    script("echo out; exec 1>&-; read -r line; echo err >&2; exec 2>&-; read -r line; exit 4"),
  );
  const output = collectOutput(process);
  await output.waitFor("stdout", /out/);
  await process.write("stdin", Buffer.from("\n"));
  await output.waitFor("stderr", /err/);
  expect(process.isRunning).toBe(true);
  expect(process.output.end).toBe(undefined);
  await process.write("stdin", Buffer.from("\n"));

  expect((await output.end()).exitCode).toBe(4);
  expect([output.text("stdout"), output.text("stderr")]).toEqual(["out\n", "err\n"]);
});

test("the end is set once, and every later subscriber receives it after all held output", async () => {
  const table = createTable();
  const process = await table.start(script("echo one; echo two >&2; exit 9"));
  await eventually(
    "it has ended",
    () => process.output.end !== undefined,
    () => process.isRunning,
  );
  const first = await outputOf(process);
  const second = await outputOf(process);

  expect(first).toMatchObject({ stdout: "one\n", stderr: "two\n" });
  expect(second).toMatchObject({ stdout: "one\n", stderr: "two\n" });
  expect(second.end).toBe(first.end);
});

function burstText(lineEnd: string): string {
  return Array.from({ length: BURST / 10 }, (_, index) => String(index + 1).padStart(9, "0") + lineEnd).join(
    "",
  );
}
