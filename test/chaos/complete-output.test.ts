// Commands that write much and exit at once, or are killed, while the cores are busy and clients
// slow or stopped: all their output arrives, and the end event after it.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { plainClient, untilNone } from "../support/agent/running-processes.ts";
import { startStream } from "../support/clients/stream-client.ts";
import { inParallel } from "../support/in-parallel.ts";
import { slowNetworkArgs } from "../support/network/slow-network.ts";
import { loadAllCores } from "../support/proc/busy-loops.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { NumbersCheck, numbersBytes, numbersCommand } from "../support/proc/numbers.ts";
import { childrenOf, eventually, stateOf } from "../support/proc/proc.ts";
import { bytesWritten, untilBlockedInWrite } from "../support/proc/proc-activity.ts";
import { whileStopped } from "../support/proc/while-stopped.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { volume } from "../support/volume.ts";

// Generous, because the machine may be loaded.
vi.setConfig({ testTimeout: volume(120_000, 1_800_000) });

type Kind = "pipes" | "pty";
const BYTES = 300_000;
/** How often a process is killed with everything full. */
const ROUNDS = volume(3, 10);

/**
 * For `cat`, which writes it in three pieces. Without line feeds, which a terminal prints as two
 * characters.
 */
function bigFile(): { readonly path: string; readonly content: Buffer } {
  const path = join(createTempFolder(), "numbers");
  const content = Buffer.from(numbersBytes(BYTES).toString("latin1").replaceAll("\n", " "));
  writeFileSync(path, content);
  return { path, content };
}

function whole(kind: Kind, content: Buffer) {
  const output = { bytes: content.length, sha256: createHash("sha256").update(content).digest("hex") };
  return {
    events: ["start", "data", "end"],
    end: expect.objectContaining({ exited: true, exitCode: 0 }),
    output: kind === "pty" ? { pty: output } : { stdout: output },
  };
}

/** The fields of a request that runs a command on `kind`. */
function on(kind: Kind) {
  return kind === "pty" ? { pty: { size: { cols: 80, rows: 24 } } } : {};
}

test.each([
  { kind: "pipes", count: volume(120, 500) },
  { kind: "pty", count: volume(80, 300) },
] as const)(
  "$count commands that write 300,000 bytes to $kind and exit, on busy cores, are all read to the end, then end once",
  async ({ kind, count }) => {
    const agent = await startAgent();
    const { path, content } = bigFile();
    const expected = whole(kind, content);
    loadAllCores();
    await inParallel(count, 12, async () => {
      const stream = startStream(agent.port, {
        process: { cmd: "cat", args: [path] },
        ...on(kind),
      });
      expect(await stream.ended()).toEqual(expected);
    });
    expect(childrenOf(agent.pid)).toEqual([]);
  },
);

test.each(["pipes", "pty"] as const)(
  "clients that stopped reading before commands on %s ended receive all output and the end when they read again",
  async (kind) => {
    const agent = await startAgent({ nodeArgs: slowNetworkArgs });
    const { path, content } = bigFile();
    const fifo = createFifo();
    const script = `printf ready; ${fifo.wait}; exec cat ${path}`;
    const expected = whole(kind, Buffer.concat([Buffer.from("ready"), content]));
    const streams = Array.from({ length: 20 }, () =>
      startStream(agent.port, {
        process: { cmd: "bash", args: ["-c", script] },
        ...on(kind),
      }),
    );
    const pids = await Promise.all(streams.map((stream) => stream.started()));
    for (const stream of streams) {
      await stream.received("ready".length);
      stream.pause();
    }
    fifo.open();
    // Not only exited: ended for the agent.
    await untilNone(plainClient(agent.url), ({ pid }) => pids.includes(pid));
    for (const stream of streams) {
      stream.resume();
      expect(await stream.ended()).toEqual(expected);
    }
  },
);

test.each([
  { kind: "pipes", prepare: "", atMostUnreturned: 0 },
  // A terminal accepts a write in parts: the blocked write had stored some bytes and never
  // returned.
  { kind: "pty", prepare: "stty -opost; ", atMostUnreturned: 4096 },
] as const)(
  "all output of a process on $kind that is killed when client, window and kernel are full is delivered",
  async ({ kind, prepare, atMostUnreturned }) => {
    const agent = await startAgent({ nodeArgs: slowNetworkArgs });
    // In writes of 4,096 bytes: a pipe accepts each completely or not at all, so returned writes
    // are exactly the accepted ones.
    const script = `${prepare}exec dd bs=4096 status=none < <(${numbersCommand()})`;
    for (let round = 0; round < ROUNDS; round++) {
      const numbers = new NumbersCheck(0);
      const stream = startStream(
        agent.port,
        { process: { cmd: "bash", args: ["-c", script] }, ...on(kind) },
        { onData: (data) => numbers.push(data) },
      );
      const pid = await stream.started();
      stream.pause();
      await eventually(
        "dd runs",
        () => bytesWritten(pid) > 4096,
        () => stateOf(pid),
      );
      await untilBlockedInWrite(pid);
      // No process reads now, even if the kernel still makes room.
      const written = await whileStopped(agent, async () => {
        await untilBlockedInWrite(pid);
        const bytes = bytesWritten(pid);
        process.kill(pid, "SIGKILL");
        return bytes;
      });
      await untilNone(plainClient(agent.url), (running) => running.pid === pid);
      stream.resume();
      expect(await stream.ended()).toMatchObject({
        events: ["start", "data", "end"],
        end: { exited: false, exitCode: -1, status: "signal: killed" },
      });
      expect(numbers.end).toBeGreaterThanOrEqual(written);
      expect(numbers.end - written).toBeLessThanOrEqual(atMostUnreturned);
    }
  },
);
