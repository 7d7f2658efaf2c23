// Output is delivered to blocking clients only: observers and clients at other offsets do not take
// it from a client that left, over the wire as the clients speak it.

import { Sandbox } from "e2b";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Client, createClient, type RemoteProcess } from "../../src/client/index.ts";
import { ConnectRequest_Lag } from "../../src/gen/process_pb.ts";
import { type RunningAgent, runCommand, startAgent } from "../support/agent/agent.ts";
import { useEmptyHome } from "../support/agent/empty-home.ts";
import { killAll, plainClient } from "../support/agent/running-processes.ts";
import { untilProcess } from "../support/clients/process-info.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { childrenOf } from "../support/proc/proc.ts";
import { untilBlockedInWrite } from "../support/proc/proc-activity.ts";
import { untilFound } from "../support/until-found.ts";

const READY = "ready\n";
/** More than the window and a pipe together, less than a buffer holds (4 MiB). */
const LAST_NUMBER = 400_000;
const NUMBERS = Array.from({ length: LAST_NUMBER }, (_, n) => `${n + 1}\n`).join("");
const REPLAY_BYTES = 1024 * 1024;

/** A client without offsets of its own: it gets what it has not been sent. */
interface PlainReader {
  /** Starts the script, reads READY and leaves. Returns the pid. */
  startAndLeave(script: string): Promise<number>;
  /** Attaches, and reads to the end of the process. */
  readRest(pid: number): Promise<string>;
}

function e2bReader(agent: RunningAgent): PlainReader {
  const sandbox = Sandbox.create({ debug: true, sandboxUrl: agent.url });
  return {
    startAndLeave: async (script) => {
      let text = "";
      // exec: E2B runs the command in a shell of its own.
      const command = await (await sandbox).commands.run(`exec bash -c '${script}'`, {
        background: true,
        onStdout: (piece) => {
          text += piece;
        },
      });
      await untilFound(
        () => (text === READY ? true : undefined),
        () => text,
      );
      await command.disconnect();
      return command.pid;
    },
    readRest: async (pid) =>
      (await (await (await sandbox).commands.connect(pid, { timeoutMs: 0 })).wait()).stdout,
  };
}

function connectReader(agent: RunningAgent): PlainReader {
  const client = plainClient(agent.url);
  return {
    startAndLeave: async (script) => {
      const leaving = new AbortController();
      let pid = 0;
      let text = "";
      const stream = client.start(
        { process: { cmd: "bash", args: ["-c", script] }, stdin: false },
        { signal: leaving.signal },
      );
      for await (const { event } of stream) {
        if (event?.event.case === "start") pid = event.event.value.pid;
        if (event?.event.case === "data")
          text += Buffer.from(event.event.value.output.value ?? []).toString();
        if (text === READY) break;
      }
      leaving.abort();
      return pid;
    },
    readRest: async (pid) => {
      const pieces: Uint8Array[] = [];
      for await (const { event } of client.connect({ process: { selector: { case: "pid", value: pid } } }))
        if (event?.event.case === "data") pieces.push(event.event.value.output.value ?? new Uint8Array());
      return Buffer.concat(pieces).toString();
    },
  };
}

function holdfastReader(agent: RunningAgent): PlainReader {
  return {
    startAndLeave: async (script) => {
      const client = createClient({ baseUrl: agent.url });
      const process = await client.start({ cmd: "bash", args: ["-c", script] });
      expect(await read(process, { bytes: READY.length })).toBe(READY);
      client.close();
      return process.pid;
    },
    readRest: async (pid) => {
      const client = createClient({ baseUrl: agent.url });
      const text = await read(await client.attach({ pid }), { mayMiss: true });
      client.close();
      return text;
    },
  };
}

const readers = [
  ["E2B's SDK", e2bReader],
  ["a stock Connect client", connectReader],
  ["holdfast/client without fromOffset", holdfastReader],
] as const;

/** Until `bytes` have arrived, or to the end. A gap is an error unless it `mayMiss` output. */
async function read(
  process: RemoteProcess,
  { bytes = Number.POSITIVE_INFINITY, mayMiss = false } = {},
): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const event of process) {
    if (event.kind === "gap") {
      if (mayMiss) continue;
      throw new Error(`a gap from ${event.from} to ${event.to}`);
    }
    pieces.push(event.data);
    length += event.data.length;
    if (length >= bytes) break;
  }
  return Buffer.concat(pieces).toString();
}

describe.each(["block", "buffer", "ring"] as const)("detached mode %s", (mode) => {
  let agent: RunningAgent;
  let client: Client;
  beforeAll(async () => {
    agent = await startAgent({ args: ["--detached", mode] });
    client = createClient({ baseUrl: agent.url });
    return useEmptyHome(agent.url);
  });
  afterEach(() => killAll(agent.url));
  afterAll(async () => {
    // Also when the client was never made: no agent outlives its tests.
    try {
      client.close();
    } finally {
      await agent.stop();
    }
  });

  /** Starts `READY`, then numbers once the fifo is open; its client has left. */
  async function startAndLeave(reader: PlainReader) {
    const [fifo, end] = [createFifo(), createFifo()];
    const script = `echo ready; ${fifo.wait}; seq 1 ${LAST_NUMBER}; ${end.wait}`;
    const pid = await reader.startAndLeave(script);
    const { processId } = await findByPid(pid);
    await untilProcess(agent.url, processId, "the client has left", ({ subscribers }) => subscribers === 0);
    return { pid, processId, printNumbers: fifo.open, end: end.open };
  }

  async function findByPid(pid: number) {
    const found = (await client.list()).find((one) => one.pid === pid);
    if (found === undefined) throw new Error(`no process ${pid}`);
    return found;
  }

  /** The process has written what it can without a blocking client. */
  async function untilSettled(pid: number, processId: string): Promise<number> {
    const wholeBytes = READY.length + NUMBERS.length;
    if (mode === "block") {
      const child = await untilFound(
        () => childrenOf(pid)[0],
        () => findByPid(pid),
      );
      await untilBlockedInWrite(child);
    } else {
      await untilProcess(
        agent.url,
        processId,
        "everything is read",
        ({ offset }) => Number(offset) === wholeBytes,
      );
    }
    return (await findByPid(pid)).offset;
  }

  /** Lets the process end once its client is back: after the end a client gets everything that is held. */
  async function expectRest(processId: string, subscribers: number, rest: Promise<string>, end: () => void) {
    await untilProcess(agent.url, processId, "it is back", (info) => info.subscribers === subscribers);
    end();
    expectUndelivered(await rest);
  }

  /** The output that a client without offsets must get when it returns. */
  function expectUndelivered(text: string): void {
    if (mode !== "ring") expect(text === NUMBERS, describeDifference(text, NUMBERS)).toBe(true);
    else {
      // The newest bytes, at least as many as a ring holds.
      expect(NUMBERS.endsWith(text)).toBe(true);
      expect(text.length).toBeGreaterThanOrEqual(REPLAY_BYTES);
    }
  }

  test.each(readers)(
    "%s that left gets everything written while an observer watched",
    async (_name, open) => {
      const reader = open(agent);
      const { pid, processId, printNumbers, end } = await startAndLeave(reader);
      const observer = await client.attach(processId, { fromOffset: 0, lag: "skip" });
      const watching = observer.discardOutput();
      printNumbers();
      const head = await untilSettled(pid, processId);
      if (mode === "block") expect(head).toBeLessThanOrEqual(READY.length + 512 * 1024);
      await expectRest(processId, 2, reader.readRest(pid), end);
      expect(await watching).toMatchObject({ exitCode: 0 });
    },
  );

  // In mode block the other client makes the agent read on, and what it is sent is delivered.
  test.each(mode === "block" ? [] : readers)(
    "%s that left gets everything although another client attached at the head and left",
    async (_name, open) => {
      const reader = open(agent);
      const { pid, processId, printNumbers, end } = await startAndLeave(reader);
      printNumbers();
      const head = await untilSettled(pid, processId);
      const passer = await client.attach(processId, { fromOffset: head });
      passer.detach();
      await untilProcess(agent.url, processId, "it has left", ({ subscribers }) => subscribers === 0);
      await expectRest(processId, 1, reader.readRest(pid), end);
    },
  );

  test("three clients leave and return at different offsets, and each misses nothing", async () => {
    const [fifo, end] = [createFifo(), createFifo()];
    // Over loopback the kernel accepts megabytes for a client that reads a little: they are delivered, and must stay held.
    const starter = await client.start({
      cmd: "bash",
      args: ["-c", `echo ready; ${fifo.wait}; seq 1 ${LAST_NUMBER}; ${end.wait}`],
      output: { replayBytes: 8 * REPLAY_BYTES },
    });
    const { processId } = starter;
    await read(starter, { bytes: READY.length });
    starter.detach();
    const first = await client.attach(processId, { fromOffset: READY.length });
    const second = await client.attach(processId, { fromOffset: 0 });
    const observer = await client.attach(processId, { fromOffset: 0, lag: "skip" });
    const watching = observer.discardOutput();
    fifo.open();
    const [firstText, secondText] = await Promise.all([
      read(first, { bytes: 100_000 }),
      read(second, { bytes: 150_000 }),
    ]);
    first.detach();
    second.detach();
    await untilProcess(agent.url, processId, "both have left", ({ subscribers }) => subscribers === 1);
    end.open();
    const rest = async (fromOffset: number) => read(await client.attach(processId, { fromOffset }));
    const [firstRest, secondRest] = await Promise.all([rest(first.offset), rest(second.offset)]);
    expect(firstText + firstRest === NUMBERS).toBe(true);
    expect(secondText + secondRest === READY + NUMBERS).toBe(true);
    expect(await watching).toMatchObject({ exitCode: 0 });
  });

  test("holdfast logs prints the same every time, and attach still starts at the first line", async () => {
    const { pid, processId, printNumbers, end } = await startAndLeave(holdfastReader(agent));
    printNumbers();
    await untilSettled(pid, processId);
    const before = await findByPid(pid);
    const logs = () => outputOf("logs", processId);
    const first = await logs();
    expect((await logs()) === first).toBe(true);
    expect((await logs()) === first).toBe(true);
    const after = await findByPid(pid);
    expect([after.offset, after.heldBytes, after.reading]).toEqual([
      before.offset,
      before.heldBytes,
      before.reading,
    ]);
    await expectRest(processId, 1, outputOf("attach", "--no-stdin", processId), end);
  });

  async function outputOf(command: string, ...args: string[]): Promise<string> {
    const holdfast = runCommand({ args: [command, "--url", agent.url, ...args] });
    expect(await holdfast.exited()).toEqual({ code: 0, signal: null });
    return holdfast.stdout();
  }
});

test("an observer of a process that only observers watch sees what is held, and no more until a client comes", async () => {
  const agent = await startAgent();
  const client = plainClient(agent.url);
  const fifo = createFifo();
  const pid = await connectReader(agent).startAndLeave(`echo ready; ${fifo.wait}; exec seq 1 ${LAST_NUMBER}`);
  const { processes } = await client.list({ includeEnded: true });
  const processId = processes.find((one) => one.pid === pid)?.processId ?? "";
  await untilProcess(agent.url, processId, "the client has left", ({ subscribers }) => subscribers === 0);
  const seen = { bytes: 0 };
  const leaving = new AbortController();
  const watching = (async () => {
    const process = { selector: { case: "pid", value: pid } } as const;
    const request = { process, fromOffset: 0n, offsets: true, lag: ConnectRequest_Lag.SKIP };
    for await (const { event } of client.connect(request, { signal: leaving.signal }))
      if (event?.event.case === "data") seen.bytes += event.event.value.output.value?.length ?? 0;
  })();
  watching.catch(() => undefined);
  fifo.open();
  await untilBlockedInWrite(pid);
  const held = seen.bytes;
  await untilBlockedInWrite(pid);
  expect(seen.bytes).toBe(held);
  expect((await connectReader(agent).readRest(pid)) === NUMBERS).toBe(true);
  leaving.abort();
});

function describeDifference(text: string, whole: string): string {
  let at = 0;
  while (at < text.length && text[at] === whole[at]) at++;
  return `${text.length} of ${whole.length} bytes, different at ${at}: ${JSON.stringify(text.slice(at, at + 40))}`;
}
