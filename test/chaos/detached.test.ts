// Clients that leave a process that writes without end: it waits, nothing runs, nothing grows, and the next
// client continues where the last one stopped.
import { expect, test, vi } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { openAgentClock } from "../support/agent/agent-clock.ts";
import { startProbedAgent } from "../support/agent/probed-agent.ts";
import { connectStream, type StreamClient, startStream } from "../support/clients/stream-client.ts";
import { slowNetworkArgs } from "../support/network/slow-network.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { LINE_BYTES, NumbersCheck, numbersCommand } from "../support/proc/numbers.ts";
import { eventually, fdCount, rssBytes } from "../support/proc/proc.ts";
import {
  bytesWritten,
  cpuTicks,
  isBlockedInWrite,
  tcpQueues,
  tcpWindowBytes,
  untilBlockedInWrite,
} from "../support/proc/proc-activity.ts";
import { whileStopped } from "../support/proc/while-stopped.ts";
import { volume } from "../support/volume.ts";

// Generous: the tests move much output, and the machine can be busy.
vi.setConfig({ testTimeout: volume(120_000, 1_800_000) });

const MB = 1_000_000;
const CUTS = volume(6, 12);
const CYCLES = volume(40, 100);
/** The bytes that the kernel holds of an unread pipe. */
const PIPE_BYTES = 64 * 1024;
/** The bytes that the agent's pool of output buffers keeps (src/multiplexer/buffer-pool.ts). */
const MOST_SPARE_BYTES = 3 * 1024 * 1024;

const bash = (script: string) => ({ process: { cmd: "bash", args: ["-c", script] } });

test("when the client of `yes` disconnects, `yes` waits in write, and neither it nor the agent uses CPU or memory", async () => {
  const agent = await startAgent();
  const client = startStream(agent.port, bash("exec yes"));
  const pid = await client.started();
  await client.received(10 * MB);
  await leave(agent.pid, client);
  await untilBlockedInWrite(pid);

  const clock = await openAgentClock(agent);
  // The first second may include the rest of the work before.
  await clock.seconds(1);
  const usage = () => ({
    agentTicks: cpuTicks(agent.pid),
    agentRss: rssBytes(agent.pid),
    yesTicks: cpuTicks(pid),
    yesBytes: bytesWritten(pid),
  });
  const then = usage();
  await clock.seconds(1);
  const now = usage();
  expect(now).toMatchObject({ yesTicks: then.yesTicks, yesBytes: then.yesBytes });
  // Two of the hundred ticks of that second: Node's own timers.
  expect(now.agentTicks - then.agentTicks).toBeLessThanOrEqual(2);
  expect(now.agentRss - then.agentRss).toBeLessThan(MB);
  expect(isBlockedInWrite(pid)).toBe(true);

  const next = connectStream(agent.port, pid);
  expect(await next.started()).toBe(pid);
  await next.received(10 * MB);
});

test("without a client nothing is read: a process fills its pipe and waits, and the next client receives everything", async () => {
  const agent = await startAgent();
  const fifo = createFifo();
  const numbers = new NumbersCheck(0);
  const script = `echo ready >&2; ${fifo.wait}; exec dd bs=4096 count=100 iflag=fullblock status=none < <(${numbersCommand()})`;
  const client = startStream(agent.port, bash(script));
  const pid = await client.started();
  await client.received("ready".length);
  await leave(agent.pid, client);
  fifo.open();
  await eventually(
    "dd writes",
    () => bytesWritten(pid) > "ready".length,
    () => bytesWritten(pid),
  );
  await untilBlockedInWrite(pid);
  expect(bytesWritten(pid) - "ready\n".length).toBe(PIPE_BYTES);

  const next = connectStream(agent.port, pid, { onData: (data) => numbers.push(data) });
  expect(await next.ended()).toMatchObject({ events: ["start", "data", "end"], end: { exitCode: 0 } });
  expect(numbers.end).toBe(100 * 4096);
});

test("output that was read for a client that disconnects reaches the next one first, and nothing arrives twice", async () => {
  const agent = await startAgent();
  const lines = 6_000_000;
  const first = checked(
    (onData) => startStream(agent.port, bash(`exec ${numbersCommand(lines)}`), { onData }),
    0,
  );
  const pid = await first.client.started();
  let last = first;
  for (let cut = 0; cut < 5; cut++) {
    await last.client.received(5 * MB);
    last.client.cut(cut % 2 === 0 ? "reset" : "close");
    const next = checked((onData) => connectStream(agent.port, pid, { onData }));
    await next.client.received(2 * LINE_BYTES);
    // Forward only, by no more than what the kernel had accepted for the client that left.
    expect(next.numbers.start).toBeGreaterThanOrEqual(last.numbers.end);
    expect(next.numbers.start - last.numbers.end).toBeLessThanOrEqual(tcpWindowBytes());
    last = next;
  }
  expect(await last.client.ended()).toMatchObject({ events: ["start", "data", "end"], end: { exitCode: 0 } });
  expect(last.numbers.end).toBe(lines * LINE_BYTES);
});

test("a client that disconnects when it has read everything sent loses nothing, and the next one repeats nothing", async () => {
  const agent = await startAgent({ nodeArgs: slowNetworkArgs });
  const first = checked((onData) => startStream(agent.port, bash(`exec ${numbersCommand()}`), { onData }), 0);
  const pid = await first.client.started();
  let last = first;
  for (let cut = 0; cut < CUTS; cut++) {
    await last.client.received(2 * LINE_BYTES);
    last.client.pause();
    await untilBlockedInWrite(pid);
    const { client } = last;
    await whileStopped(agent, async () => {
      client.resume();
      await readAllSent(agent.port, client);
      // Not "close": until the agent detects it, the kernel accepts more for this client, and that counts as delivered.
      client.cut("reset");
    });
    const next = checked((onData) => connectStream(agent.port, pid, { onData }));
    await next.client.received(2 * LINE_BYTES);
    // Counted in whole frames: one that was interrupted arrives again, whole.
    const lost = next.numbers.start - last.numbers.end;
    expect({ cut, lost }).toEqual({ cut, lost: 0 });
    last = next;
  }
});

test(`after ${CYCLES} times 5 disconnects from 5 flooding processes the agent holds no more than after 5`, async () => {
  const agent = await startProbedAgent({ nodeArgs: slowNetworkArgs });
  const firsts = Array.from({ length: 5 }, () => startStream(agent.port, bash("exec yes")));
  const pids = await Promise.all(firsts.map((client) => client.started()));
  let clients = firsts;
  const cycle = async () => {
    await Promise.all(clients.map((client) => client.received(300_000)));
    for (const [index, client] of clients.entries()) client.cut(index % 2 === 0 ? "reset" : "close");
    clients = pids.map((pid) => connectStream(agent.port, pid));
  };
  /** Its bytes when all have left, so that nothing is in flight. */
  const held = async () => {
    await Promise.all(clients.map((client) => client.started()));
    for (const client of clients) client.cut("reset");
    let found = await agent.probe();
    await eventually(
      "all connections are closed",
      async () => {
        found = await agent.probe();
        return !found.resources.includes("TCPSocketWrap");
      },
      () => found,
    );
    await Promise.all(pids.map(untilBlockedInWrite));
    clients = pids.map((pid) => connectStream(agent.port, pid));
    return found;
  };
  for (let count = 0; count < 5; count++) await cycle();
  const early = await held();
  for (let count = 5; count < CYCLES; count++) await cycle();
  const late = await held();
  expect(late.fds).toBe(early.fds);
  const others = ({ resources }: typeof late) => resources.filter((name) => name !== "Timeout");
  expect(others(late)).toEqual(others(early));
  // Fewer are possible: the watch of a process that no client reads has a timer for its first minute only.
  expect(late.resources.length).toBeLessThanOrEqual(early.resources.length);
  expect(late.heapBytes - early.heapBytes).toBeLessThan(2 * MB);
  expect(late.bufferBytes - early.bufferBytes).toBeLessThan(MB + MOST_SPARE_BYTES);
  // Resident is also what V8 and malloc keep for the next burst: 1 to 33 MB more with nothing more in use.
  expect(late.rssBytes - early.rssBytes).toBeLessThan(64 * MB);
});

function checked(open: (onData: (data: Uint8Array) => void) => StreamClient, from?: number) {
  const numbers = new NumbersCheck(from);
  return { client: open((data) => numbers.push(data)), numbers };
}

/** Resolves when the agent has detected it. */
async function leave(agentPid: number, client: StreamClient): Promise<void> {
  const before = fdCount(agentPid);
  client.cut("reset");
  await eventually(
    "the connection is closed",
    () => fdCount(agentPid) < before,
    () => ({ before, now: fdCount(agentPid) }),
  );
}

/** Resolves when `client` has read what the kernel accepted for it. The agent must be stopped. */
async function readAllSent(agentPort: number, client: StreamClient): Promise<void> {
  const left = () => tcpQueues(agentPort, client.port).sent + tcpQueues(client.port, agentPort).received;
  await eventually("all is read", () => left() === 0, left);
}
