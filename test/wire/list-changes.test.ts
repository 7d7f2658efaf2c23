// List with since_revision: a client that polls receives each change once.

import { expect, onTestFinished, test } from "vitest";
import { OutputPolicy_Detached, PausedReason } from "../../src/gen/process_pb.ts";
import { startAgent } from "../support/agent/agent.ts";
import { killAll, plainClient } from "../support/agent/running-processes.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";
import { inParallel } from "../support/in-parallel.ts";
import { eventually } from "../support/proc/proc.ts";
import { cpuTicks } from "../support/proc/proc-activity.ts";

async function agentWith(...tags: string[]) {
  const agent = await startAgent();
  onTestFinished(() => killAll(agent.url));
  const client = plainClient(agent.url);
  const start = (tag: string, cmd = "cat") =>
    startAndLeave(agent.port, { process: { cmd, args: [] }, tag, stdin: true });
  for (const tag of tags) await start(tag);
  const since = async (sinceRevision: bigint, more: Parameters<typeof client.list>[0] = {}) => {
    const answer = await client.list({ sinceRevision, includeEnded: true, ...more });
    return { ...answer, tags: answer.processes.map(({ tag }) => tag) };
  };
  return { agent, client, start, since };
}

const byTag = (tag: string) => ({ selector: { case: "tag" as const, value: tag } });

test("the first answer is complete, the next one has only the changes, and an unknown revision gives everything", async () => {
  const { client, since, start } = await agentWith("a", "b");
  const first = await since(0n);
  expect(first).toMatchObject({ complete: true, removed: [], tags: ["a", "b"] });
  expect(await since(first.revision)).toMatchObject({
    complete: false,
    tags: [],
    removed: [],
    revision: first.revision,
  });
  await start("c");
  const second = await since(first.revision);
  expect(second).toMatchObject({ complete: false, tags: ["c"] });
  await client.sendInput({
    process: byTag("a"),
    input: { input: { case: "stdin", value: Buffer.from("x") } },
  });
  await client.sendSignal({ process: byTag("b"), signal: 9 });
  await eventually(
    "b has ended",
    async () => (await since(second.revision)).processes.some(({ end }) => end !== undefined),
    () => "",
  );
  expect((await since(first.revision)).tags).toContain("c");
  for (const unknown of [1n, second.revision + 1_000_000n, 2n ** 64n - 1n])
    expect(await since(unknown)).toMatchObject({ complete: true, removed: [] });
});

test("a process that is forgotten is among the removed ones, for a client without ended ones already when it ends", async () => {
  const agent = await startAgent({ args: ["--retain-ended", "0"] });
  const client = plainClient(agent.url);
  await startAndLeave(agent.port, { process: { cmd: "cat", args: [] }, tag: "a", stdin: true });
  const { processes, revision } = await client.list({ sinceRevision: 0n });
  await client.closeStdin({ process: byTag("a") });
  await eventually(
    "a is gone",
    async () => (await client.list({})).processes.length === 0,
    () => "",
  );
  const changed = await client.list({ sinceRevision: revision });
  expect(changed).toMatchObject({ complete: false, processes: [], removed: [processes[0]?.processId] });
  expect(await client.list({ sinceRevision: changed.revision })).toMatchObject({
    processes: [],
    removed: [],
  });

  const retaining = await agentWith("b");
  const before = await retaining.client.list({ sinceRevision: 0n });
  await retaining.client.closeStdin({ process: byTag("b") });
  await eventually(
    "b has ended",
    async () => (await retaining.client.list({})).processes.length === 0,
    () => "",
  );
  expect(await retaining.client.list({ sinceRevision: before.revision })).toMatchObject({
    processes: [],
    removed: [before.processes[0]?.processId],
  });
});

test("pages of changes are followed with the revision of the first page, and a selector limits both lists", async () => {
  const { since } = await agentWith("a", "b", "c");
  const first = await since(0n, { pageSize: 2 });
  expect(first).toMatchObject({ tags: ["a", "b"], complete: true });
  const second = await since(0n, { pageSize: 2, pageToken: first.nextPageToken });
  expect(second).toMatchObject({ tags: ["c"], nextPageToken: "" });
  expect(await since(first.revision)).toMatchObject({ tags: [] });
  expect(await since(0n, { process: byTag("b") })).toMatchObject({ tags: ["b"], complete: true });
});

test("List says why the agent does not read, what happens to the output, and the size of a terminal", async () => {
  const { agent, client } = await agentWith();
  await startAndLeave(agent.port, {
    process: { cmd: "bash", args: ["-c", "yes"] },
    tag: "blocked",
    stdin: false,
    output: { detached: "DETACHED_BLOCK" },
  });
  await startAndLeave(agent.port, {
    process: { cmd: "cat", args: [] },
    tag: "terminal",
    pty: { size: { cols: 101, rows: 33 } },
    output: { detached: "DETACHED_RING" },
  });
  const find = async (tag: string) =>
    (await client.list({ includeEnded: true })).processes.find((info) => info.tag === tag);
  await eventually(
    "yes waits",
    async () => (await find("blocked"))?.pausedReason === PausedReason.DETACHED,
    () => "",
  );
  expect(await find("blocked")).toMatchObject({ detached: OutputPolicy_Detached.BLOCK, cols: 0, rows: 0 });
  expect(await find("terminal")).toMatchObject({
    detached: OutputPolicy_Detached.RING,
    pausedReason: PausedReason.NONE,
    cols: 101,
    rows: 33,
  });
  await client.update({ process: byTag("terminal"), pty: { size: { cols: 50, rows: 20 } } });
  expect(await find("terminal")).toMatchObject({ cols: 50, rows: 20 });
});

test("a client that polls sees that a process gets stuck in a write, and that it continues", async () => {
  const { agent, client, since } = await agentWith();
  await startAndLeave(agent.port, {
    process: { cmd: "sh", args: ["-c", "read x; yes"] },
    tag: "stuck",
    stdin: true,
    output: { detached: "DETACHED_BLOCK" },
  });
  let { revision } = await since(0n);
  let isBlocked = false;
  const poll = async () => {
    const answer = await since(revision);
    ({ revision } = answer);
    const found = answer.processes.find(({ tag }) => tag === "stuck");
    if (found !== undefined) isBlocked = found.blockedMs !== undefined;
  };
  const polledUntil = (due: boolean) =>
    eventually(
      `blocked: ${due}`,
      async () => {
        await poll();
        return isBlocked === due;
      },
      () => agent.stderr(),
    );
  await client.sendInput({
    process: byTag("stuck"),
    input: { input: { case: "stdin", value: Buffer.from("x\n") } },
  });
  await polledUntil(true);
  const leave = new AbortController();
  onTestFinished(() => leave.abort());
  const stream = client.connect({ process: byTag("stuck") }, { signal: leave.signal });
  await stream[Symbol.asyncIterator]().next();
  await polledUntil(false);
});

test("a client that does not read is named as the reason, with its offset", async () => {
  const { agent, client } = await agentWith();
  const leave = new AbortController();
  onTestFinished(() => leave.abort());
  const stream = client.start(
    { process: { cmd: "yes" }, tag: "slow", stdin: false, offsets: true },
    { signal: leave.signal },
  );
  await stream[Symbol.asyncIterator]().next();
  // The first pause can come before a byte has left: then the offset is still 0.
  await eventually(
    "the window is full, and its first bytes have left",
    async () => {
      const [info] = (await client.list({ includeEnded: true })).processes;
      return (
        info?.pausedReason === PausedReason.SLOW_CLIENT &&
        info.slowestOffset !== undefined &&
        info.slowestOffset > 0n &&
        info.slowestOffset < (info.offset ?? 0n)
      );
    },
    () => agent.stderr(),
  );
});

test("the agent describes its budget, its memory and its connections, and a new agent has another instance_id", async () => {
  const { client } = await agentWith();
  const { agent: described } = await client.list({ agent: true });
  expect(described).toMatchObject({ budgetBytes: 64n * 1024n * 1024n, budgetSpent: false });
  expect(described?.residentBytes).toBeGreaterThan(10_000_000n);
  expect(described?.connections).toBeGreaterThanOrEqual(1);
  const other = await agentWith();
  const { agent: second } = await other.client.list({ agent: true });
  expect(second?.instanceId).toMatch(/^[\da-f-]{36}$/);
  expect(second?.instanceId).not.toBe(described?.instanceId);
});

test("300 unchanged processes cost a client that polls less than 1 kB and the agent less than 10 ms a poll", async () => {
  const { agent, client, since } = await agentWith();
  await inParallel(300, 10, async (index) => {
    await startAndLeave(agent.port, {
      process: { cmd: "sleep", args: ["1000"] },
      tag: `t${index}`,
      stdin: false,
    });
  });
  const { revision, processes } = await since(0n);
  expect(processes.length).toBe(300);
  // The clients that started them have left, which is a change of each.
  let last = revision;
  await eventually(
    "no more changes",
    async () => {
      const next = await since(last);
      last = next.revision;
      return next.processes.length === 0;
    },
    () => "",
  );
  const response = await fetch(`${agent.url}/process.Process/List`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ includeEnded: true, sinceRevision: String(last), agent: true }),
  });
  expect((await response.text()).length).toBeLessThan(1000);
  const poll = () => client.list({ includeEnded: true, sinceRevision: last });
  // The first polls are interpreted by V8.
  for (let polls = 0; polls < 100; polls++) await poll();
  const cpuBefore = cpuTicks(agent.pid);
  const polls = 100;
  for (let polled = 0; polled < polls; polled++) await poll();
  // A tick is 10 ms.
  expect((cpuTicks(agent.pid) - cpuBefore) / polls).toBeLessThan(1);
}, 60_000);
