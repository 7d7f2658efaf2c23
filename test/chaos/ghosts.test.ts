// Subscribers that stop reading beside one that reads (rule 11): the live one continues to the end of the
// window and waits at most once for all the others. A subscriber that was disconnected can resume.

import { connect } from "node:net";
import { expect, test, vi } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { requestBytes } from "../support/clients/raw-http.ts";
import { contentType, encodeBody } from "../support/clients/rpc-call.ts";
import { connectStream, type StreamClient, startStream } from "../support/clients/stream-client.ts";
import { keepReceiveBufferSmall } from "../support/network/receive-buffer.ts";
import { slowNetworkArgs } from "../support/network/slow-network.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { LINE_BYTES, NumbersCheck, numbersCommand } from "../support/proc/numbers.ts";
import { eventually } from "../support/proc/proc.ts";
import { untilBlockedInWrite } from "../support/proc/proc-activity.ts";

// Generous: the tests move much output, and the machine can be busy.
vi.setConfig({ testTimeout: 120_000 });

const LINES = 600_000;
const WINDOW_BYTES = 256 * 1024;
const counts = [[1], [10]] as const;

interface Crowd {
  readonly pid: number;
  readonly live: StreamClient;
  readonly liveNumbers: NumbersCheck;
  readonly ghosts: readonly StreamClient[];
  /** Starts the output of the process. */
  open(): void;
}

/** One process with a client that reads its output and `ghosts` that do not. */
async function openCrowd(agent: RunningAgent, ghosts: number): Promise<Crowd> {
  const fifo = createFifo();
  const liveNumbers = new NumbersCheck(0);
  const script = `echo ready >&2; ${fifo.wait}; exec ${numbersCommand(LINES)}`;
  const live = startStream(
    agent.port,
    { process: { cmd: "bash", args: ["-c", script] }, stdin: false },
    { onData: (data, name) => name === "stdout" && liveNumbers.push(data) },
  );
  const pid = await live.started();
  await live.received("ready\n".length);
  const others = Array.from({ length: ghosts }, () => connectStream(agent.port, pid, {}, { offsets: true }));
  for (const ghost of others) {
    await ghost.started();
    ghost.pause();
  }
  return { pid, live, liveNumbers, ghosts: others, open: fifo.open };
}

test.each(counts)(
  "beside %i subscribers that read nothing, a live one receives a window of output without any timer",
  async (count) => {
    const agent = await startAgent({ nodeArgs: slowNetworkArgs, args: ["--stall-timeout", "1h"] });
    const { pid, live, ghosts, open } = await openCrowd(agent, count);
    open();
    await live.received(WINDOW_BYTES);
    await untilBlockedInWrite(pid);
    expect(live.bytes).toBeGreaterThanOrEqual(WINDOW_BYTES);

    // Each of them blocks the process, so it continues when the last one leaves.
    for (const ghost of ghosts) ghost.cut("reset");
    expect(await live.ended()).toMatchObject({ events: ["start", "data", "end"], end: { exitCode: 0 } });
  },
);

test.each(counts)(
  "%i subscribers that read nothing are disconnected at once, and the live one receives everything",
  async (count) => {
    const agent = await startAgent({
      nodeArgs: slowNetworkArgs,
      args: ["--stall-timeout", "1s", "--replay", "32MiB"],
    });
    const { pid, live, liveNumbers, ghosts, open } = await openCrowd(agent, count);
    const pauses = watchPauses(live);
    open();
    expect(await live.ended()).toMatchObject({ events: ["start", "data", "end"], end: { exitCode: 0 } });
    expect(liveNumbers.end).toBe(LINES * LINE_BYTES);
    // Ten seconds if they were disconnected one after another.
    expect(pauses.stop()).toBeLessThan(5_000);

    for (const ghost of ghosts) {
      ghost.resume();
      const failure = await ghost
        .ended()
        .catch((error: unknown) => String(Reflect.get(error as object, "cause")));
      const [, code, at] = /"code":"(\w+)".* at offset (\d+)/.exec(String(failure)) ?? [];
      expect({ failure, code }).toMatchObject({ code: "resource_exhausted" });
      const next = ghost.startOffset + ghost.bytes;
      // Bytes in flight when it was disconnected also arrived.
      expect(Number(at)).toBeLessThanOrEqual(next);
      const rest = new NumbersCheck(next - "ready\n".length);
      const back = connectStream(
        agent.port,
        pid,
        { onData: (data) => rest.push(data) },
        { fromOffset: BigInt(next) },
      );
      expect(await back.ended()).toMatchObject({ events: ["start", "data", "end"], end: { exitCode: 0 } });
      expect(rest.end).toBe(LINES * LINE_BYTES);
    }
  },
);

test("a subscriber that takes longer than the stall timeout to read a frame is slow and is not disconnected", async () => {
  const agent = await startAgent({ nodeArgs: slowNetworkArgs, args: ["--stall-timeout", "1s"] });
  const { pid, live, open } = await openCrowd(agent, 0);
  // It takes more than a second to read a frame of 64 KiB.
  const slow = readSlowly(agent.port, pid, 8192, 100);
  await slow.received(1);
  open();
  await slow.received(5 * 65_536);
  const [process] = (await plainClient(agent.url).list({ includeEnded: true })).processes;
  expect(process?.subscribers).toBe(2);
  slow.close();
  expect(await live.ended()).toMatchObject({ events: ["start", "data", "end"], end: { exitCode: 0 } });
});

test("an observer that reads nothing blocks nothing, is never disconnected, and its gaps add up to what it missed", async () => {
  const agent = await startAgent({ nodeArgs: slowNetworkArgs, args: ["--stall-timeout", "1h"] });
  const { pid, live, open } = await openCrowd(agent, 0);
  const observer = connectStream(agent.port, pid, {}, { lag: 1, offsets: true });
  await observer.started();
  observer.pause();
  open();
  expect(await live.ended()).toMatchObject({ end: { exitCode: 0 } });
  observer.resume();
  expect(await observer.ended()).toMatchObject({ end: { exitCode: 0 } });
  const missed = observer.gaps.reduce((sum, { from, to }) => sum + to - from, 0);
  expect(missed).toBeGreaterThan(0);
  expect(observer.startOffset + observer.bytes + missed).toBe("ready\n".length + LINES * LINE_BYTES);
});

test("a process in mode ring with only an observer attached that reads nothing runs to its end", async () => {
  const agent = await startAgent({ nodeArgs: slowNetworkArgs, args: ["--detached", "ring"] });
  const { pid, live, open } = await openCrowd(agent, 0);
  const observer = connectStream(agent.port, pid, {}, { lag: 1, offsets: true });
  await observer.started();
  observer.pause();
  live.cut("reset");
  open();
  const client = plainClient(agent.url);
  await eventually(
    "it has exited by itself",
    async () => {
      const { processes } = await client.list({ includeEnded: true });
      return processes.find((process) => process.pid === pid)?.end?.exitCode === 0;
    },
    () => observer.bytes,
    30_000,
  );
});

/** A stream over a connection that reads `bytes` every `everyMs`, with a small receive buffer. */
function readSlowly(port: number, pid: number, bytes: number, everyMs: number) {
  const body = encodeBody("Connect binary", "Connect", [{ process: { pid } }]);
  const headers = { "content-type": contentType("Connect binary", "Connect") };
  let received = 0;
  const onread = {
    buffer: Buffer.alloc(bytes),
    callback: (read: number) => {
      received += read;
      setTimeout(() => socket.resume(), everyMs);
      return false;
    },
  };
  const socket = connect({ port, host: "127.0.0.1", onread }, () => {
    keepReceiveBufferSmall(socket);
    socket.write(requestBytes({ path: "/process.Process/Connect", headers, body }));
  });
  return {
    received: (least: number) =>
      eventually(
        `${least} bytes`,
        () => received >= least,
        () => received,
        60_000,
      ),
    close: () => void socket.destroy(),
  };
}

/** The sum of all pauses of more than a quarter of a second. */
function watchPauses(stream: StreamClient): { stop(): number } {
  let paused = 0;
  let bytes = stream.bytes;
  let since = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    if (stream.bytes === bytes) return;
    if (now - since > 250) paused += now - since;
    bytes = stream.bytes;
    since = now;
  }, 20);
  return {
    stop: () => {
      clearInterval(timer);
      return paused;
    },
  };
}
