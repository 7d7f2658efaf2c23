// The lives that a process can have, one function each. A life starts a process, checks every byte
// of it, and rejects with the first error.

import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type {
  Client,
  ConnectionState,
  DetachedError,
  OutputPolicy,
  RemoteProcess,
} from "../../src/client/index.ts";
import { connectStream } from "../support/clients/stream-client.ts";
import { LINE_BYTES, NumbersCheck, numbersBytes, numbersCommand } from "../support/proc/numbers.ts";

export interface World {
  readonly port: number;
  /** Beside the proxy, and through it. */
  readonly direct: Client;
  readonly cut: Client;
  readonly random: () => number;
}

export type Life = (world: World) => Promise<void>;

const MODES = ["block", "buffer", "ring"] as const;
/** A ring that is read to its end must not lose anything. */
const REPLAY_BYTES = 8 * 2 ** 20;

function between(least: number, most: number, random: () => number): number {
  return least + Math.floor(random() * (most - least));
}

function outputPolicy(random: () => number): OutputPolicy {
  return {
    detached: MODES[between(0, 3, random)] ?? "block",
    replayBytes: REPLAY_BYTES,
    detachedBufferBytes: 2 ** 20,
  };
}

async function readNumbers(process: RemoteProcess, lines: number): Promise<void> {
  const check = new NumbersCheck(0);
  for await (const event of process) {
    if (event.kind === "gap") throw new Error(`a gap from ${event.from} to ${event.to}`);
    check.push(event.data);
  }
  const { exitCode, status } = await process.exit;
  if (exitCode !== 0) throw new Error(status);
  if (check.end !== lines * LINE_BYTES) throw new Error(`${check.end} bytes, not ${lines * LINE_BYTES}`);
}

/** A flood over connections that break. */
const flood: Life = async ({ cut, random }) => {
  const lines = between(1, 100_000, random);
  const states: string[] = [];
  const onState = (state: ConnectionState) => {
    const { kind } = state;
    const why = kind === "reconnecting" ? state.reason.message : "";
    states.push(`${Math.round(performance.now())} ms ${kind} ${why}`);
  };
  const request = { cmd: "sh", args: ["-c", numbersCommand(lines)], output: outputPolicy(random) };
  try {
    await readNumbers(await cut.start(request, { onState }), lines);
  } catch (cause) {
    const now = Math.round(performance.now());
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${message}; now ${now} ms; the last states: ${states.slice(-20).join("; ")}`, { cause });
  }
};

const floodOnTerminal: Life = async ({ cut, random }) => {
  const lines = between(1, 50_000, random);
  const args = ["-c", `stty -opost; ${numbersCommand(lines)}`];
  await readNumbers(
    await cut.start({ cmd: "sh", args, pty: { cols: 80, rows: 24 }, output: outputPolicy(random) }),
    lines,
  );
};

/** Input over connections that break returns exactly once. */
const echo: Life = async ({ cut, random }) => {
  const bytes = between(1, 300_000, random);
  const process = await cut.start({ cmd: "cat", stdin: true, output: outputPolicy(random) });
  const reading = readNumbersOf(process, bytes);
  const data = numbersBytes(bytes);
  const writing = (async () => {
    for (let at = 0; at < bytes; ) {
      const piece = data.subarray(at, at + between(1, 50_000, random));
      await process.write(piece);
      at += piece.length;
    }
    await process.closeStdin();
  })();
  await Promise.all([reading, writing]);
};

async function readNumbersOf(process: RemoteProcess, bytes: number): Promise<void> {
  const pieces: Uint8Array[] = [];
  for await (const event of process) if (event.kind !== "gap") pieces.push(event.data);
  const found = Buffer.concat(pieces);
  if (!found.equals(numbersBytes(bytes)))
    throw new Error(`${found.length} bytes came back, not the ${bytes} that were written`);
}

/** Left, and found again by its tag, at its offset. */
const leaveAndReturn: Life = async ({ direct, cut, random }) => {
  const lines = between(1000, 100_000, random);
  const first = await direct.start({
    cmd: "sh",
    args: ["-c", numbersCommand(lines)],
    output: outputPolicy(random),
  });
  const check = new NumbersCheck(0);
  const leaveAt = between(0, lines * LINE_BYTES, random);
  for await (const event of first) {
    if (event.kind === "gap") throw new Error("a gap");
    check.push(event.data);
    if (check.end >= leaveAt) break;
  }
  const { processId } = first;
  first.detach();
  await first.exit.catch((error: DetachedError) => error);
  const second = await cut.attach(processId, { fromOffset: check.end });
  for await (const event of second) {
    if (event.kind === "gap") throw new Error("a gap");
    check.push(event.data);
  }
  if (check.end !== lines * LINE_BYTES) throw new Error(`${check.end} bytes, not ${lines * LINE_BYTES}`);
};

/**
 * An orphan holds the output open: the end event still comes, after all output that was written
 * before it. The orphan writes after that: what it writes before the drain deadline is output.
 */
const orphan: Life = async ({ direct, random }) => {
  const lines = between(1, 5000, random);
  const folder = mkdtempSync(join(tmpdir(), "holdfast-soak-"));
  try {
    const wait = `while [ -e ${folder} ]; do sleep 0.05; done`;
    const script = `(${wait}; ${numbersCommand(20_000)}) & ${numbersCommand(lines)}`;
    const process = await direct.start({ cmd: "sh", args: ["-c", script] });
    await readNumbers(process, lines);
  } finally {
    rmdirSync(folder);
  }
};

const signalled: Life = async ({ direct, cut, random }) => {
  const process = await cut.start({ cmd: "sleep", args: ["1000"], pty: { cols: 80, rows: 24 } });
  const reading = process.discardOutput();
  await process.resize({ cols: between(1, 500, random), rows: between(1, 500, random) });
  await direct.signal(process.processId, "SIGSTOP");
  await direct.signal(process.processId, "SIGKILL", { group: true });
  const { signal } = await reading;
  if (signal !== "SIGKILL") throw new Error(`it ended by ${signal}`);
};

/** Killed by the agent at its time limit, with its output until then. */
const timedOut: Life = async ({ direct, random }) => {
  const process = await direct.start({
    cmd: "sh",
    args: ["-c", `exec ${numbersCommand()}`],
    timeoutMs: between(50, 1000, random),
  });
  const check = new NumbersCheck(0);
  for await (const event of process) if (event.kind !== "gap") check.push(event.data);
  const exit = await process.exit;
  if (!exit.timedOut || exit.offset !== check.end)
    throw new Error(`${JSON.stringify(exit)}, ${check.end} bytes`);
};

/**
 * One client reads everything, one is an observer that may get gaps, one stops reading and
 * vanishes.
 */
const company: Life = async ({ direct, port, random }) => {
  const lines = between(50_000, 200_000, random);
  const process = await direct.start({
    cmd: "sh",
    args: ["-c", numbersCommand(lines)],
    output: outputPolicy(random),
  });
  const observer = await direct.attach(process.processId, { lag: "skip", fromOffset: 0 });
  const ghost = await connectGhost(port, process.pid);
  ghost.pause();
  const vanish = setTimeout(() => ghost.cut("reset"), between(1, 500, random));
  try {
    await Promise.all([readNumbers(process, lines), observe(observer)]);
  } finally {
    clearTimeout(vanish);
    ghost.cut("reset");
  }
};

/** An upgrade closes a connection whose stream has not begun; unlike the client, this one does not connect again by itself. */
async function connectGhost(port: number, pid: number): Promise<ReturnType<typeof connectStream>> {
  for (let tries = 1; ; tries++) {
    const ghost = connectStream(port, pid);
    try {
      await ghost.started();
      return ghost;
    } catch (error) {
      if (tries === 3) throw error;
    }
  }
}

async function observe(observer: RemoteProcess): Promise<void> {
  let check = new NumbersCheck(0);
  for await (const event of observer) {
    if (event.kind === "gap") check = new NumbersCheck(event.to);
    else check.push(event.data);
  }
}

/** It is not read for a while: it waits or continues, as its mode says, and is then killed. */
const abandoned: Life = async ({ direct, random }) => {
  const process = await direct.start({
    cmd: "sh",
    args: ["-c", `exec ${numbersCommand()}`],
    output: outputPolicy(random),
  });
  const { processId } = process;
  process.detach();
  await process.exit.catch((error: DetachedError) => error);
  await new Promise((resolve) => setTimeout(resolve, between(10, 500, random)));
  await direct.signal(processId, "SIGKILL");
};

const many: Life = async ({ direct, random }) => {
  const starts = Array.from({ length: between(1, 4, random) }, async () => {
    const { exitCode } = await (await direct.start({ cmd: "true" })).discardOutput();
    if (exitCode !== 0) throw new Error(`true exited with ${exitCode}`);
  });
  await Promise.all(starts);
};

/** By name. */
export const lives: Readonly<Record<string, Life>> = {
  flood,
  floodOnTerminal,
  echo,
  leaveAndReturn,
  orphan,
  signalled,
  timedOut,
  company,
  abandoned,
  many,
};
