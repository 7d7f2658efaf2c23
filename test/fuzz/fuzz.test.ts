// `npm run fuzz`: mutated requests over both HTTP versions, as many as fit into the time. After
// each batch the agent must be alive, run a command, and hold nothing of the batch; its log must
// not contain an error of its own. A batch follows from its seed. A batch that fails is halved
// until the smallest part is found that still fails.

import { chmodSync, symlinkSync } from "node:fs";
import { expect, test } from "vitest";
import { killProcesses } from "../support/agent/kill-processes.ts";
import { type Holdings, type ProbedAgent, startProbedAgent } from "../support/agent/probed-agent.ts";
import { expectCommandRuns } from "../support/agent/surviving-agent.ts";
import { childrenOf, fdCount } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { attack, attackOf } from "./connection.ts";

const seconds = Number(process.env["HOLDFAST_FUZZ_SECONDS"] ?? 180);
const seed = Number(process.env["HOLDFAST_FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const CONNECTIONS_PER_BATCH = 250;
const AT_ONCE = 60;
/**
 * The agent takes seconds to detect a client that leaves with a stream open and unsent data,
 * because it looks at the socket.
 */
const BATCHES_BETWEEN_LOOKS = 10;
const WARM_BATCHES = 20;
/** Growth beyond the first batches. Node keeps freed memory for a while. */
const MOST_GROWTH_BYTES = 80 * 2 ** 20;
/** Otherwise most messages are not decoded. Invalid HTTP, and some early answers, end the connection before its other requests. */
const LEAST_ANSWERED = 0.6;
const OWN_FAULT = /"level":"error"|a warning from Node|internal error/;

test("mutated requests neither crash the agent nor leave anything behind", {
  timeout: 2 ** 31 - 1,
}, async () => {
  const begunAt = performance.now();
  const agent = await startFuzzedAgent();
  const before = await agent.probe();
  await expectCommandRuns(agent.port);
  const { fds } = await settled(agent);
  let requests = 0;
  let answers = 0;
  let warmBytes = 0;
  let batches = 0;
  for (; batches < 1 || performance.now() - begunAt < seconds * 1000; batches++) {
    const seeds = Array.from({ length: CONNECTIONS_PER_BATCH }, (_, index) => seed + 1000 * batches + index);
    const result = await runBatch(agent, seeds);
    requests += result.requests;
    answers += result.answers;
    if (result.failure !== undefined) {
      const least = await shrink(seeds);
      throw new Error(
        `${result.failure}\nreplay: npm run fuzz -- --seconds 0 --seed ${seed + 1000 * batches}\n` +
          `the fewest connections that fail again have the seeds ${least.join(", ")}`,
      );
    }
    if (batches % BATCHES_BETWEEN_LOOKS !== 0) continue;
    await settled(agent, fds);
    // The warm-up includes everything made at first use, and the heap's own growth.
    if (batches === WARM_BATCHES) warmBytes = (await agent.probe()).rssBytes;
  }
  await settled(agent, fds);
  const after = await untilNoMoreResources(agent, before.resources);
  const elapsedSeconds = (performance.now() - begunAt) / 1000;
  process.stdout.write(
    `${requests} requests sent and ${answers} answers received in ${batches} batches, ` +
      `${Math.round(requests / elapsedSeconds)} requests a second, --seed ${seed}; ` +
      `resident ${mib(before.rssBytes)}, ${mib(warmBytes)} and ${mib(after.rssBytes)} MiB, ${after.fds} descriptors\n`,
  );
  if (warmBytes > 0) expect(after.rssBytes - warmBytes).toBeLessThan(MOST_GROWTH_BYTES);
  expect(answers / requests).toBeGreaterThan(LEAST_ANSWERED);
  expect(await agent.stop()).toEqual({ code: 0, signal: null });
});

/** A mutated Start can run harmless programs only: three programs, as a user without rights. */
async function startFuzzedAgent(): Promise<ProbedAgent> {
  const bin = createTempFolder();
  chmodSync(bin, 0o755);
  for (const name of ["true", "cat", "echo"]) symlinkSync(`/bin/${name}`, `${bin}/${name}`);
  const isRoot = process.getuid?.() === 0;
  const asNobody = isRoot ? ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
  return startProbedAgent({
    prefix: asNobody,
    env: {
      HOME: "/",
      HOLDFAST_LOG_LEVEL: "warn",
      PATH: bin,
      HOLDFAST_RETAIN_ENDED: "100ms",
      HOLDFAST_MAX_PROCESSES: "64",
    },
    args: ["--request-timeout", "1s", "--idle-timeout", "2s"],
  });
}

interface BatchResult {
  readonly requests: number;
  readonly answers: number;
  readonly failure: string | undefined;
}

async function runBatch(agent: ProbedAgent, seeds: readonly number[]): Promise<BatchResult> {
  let requests = 0;
  let answers = 0;
  const rest = [...seeds];
  const work = async () => {
    for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
      const one = attackOf(next);
      requests += one.requests + 1;
      const count = await attack(agent.port, one);
      answers += count;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  try {
    if (agent.child.exitCode !== null || agent.child.signalCode !== null)
      throw new Error(`the agent ended: ${agent.stderr()}`);
    await killProcesses(agent.port);
    await expectCommandRuns(agent.port);
    const fault = agent
      .stderr()
      .split("\n")
      .find((line) => OWN_FAULT.test(line));
    if (fault !== undefined) throw new Error(fault);
    return { requests, answers, failure: undefined };
  } catch (error) {
    return { requests, answers, failure: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Resolves when nothing of the batch is left. A connection with a false Content-Length may stay for
 * a request's time limit.
 */
async function settled(
  agent: ProbedAgent,
  most = Number.POSITIVE_INFINITY,
): Promise<{ readonly fds: number }> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const fds = fdCount(agent.pid);
    const children = childrenOf(agent.pid).length;
    if (fds <= most && children === 0) return { fds };
    if (performance.now() > deadline)
      throw new Error(`${fds} descriptors (were ${most}), ${children} children`);
    await killProcesses(agent.port);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The fewest connections that still fail on a new agent, if they fail again at all. */
async function shrink(seeds: readonly number[]): Promise<readonly number[]> {
  let least = seeds;
  for (let size = Math.ceil(least.length / 2); least.length > 1; ) {
    const parts = Array.from({ length: Math.ceil(least.length / size) }, (_, n) =>
      least.slice(n * size, (n + 1) * size),
    );
    let found: readonly number[] | undefined;
    for (const part of parts) {
      const agent = await startFuzzedAgent();
      const { failure } = await runBatch(agent, part);
      await agent.stop().catch(() => undefined);
      if (failure !== undefined) {
        found = part;
        break;
      }
    }
    if (found === undefined || found.length === least.length) return least;
    least = found;
    size = Math.ceil(least.length / 2);
  }
  return least;
}

/**
 * Resolves when the event loop waits for no more timers, sockets and pipes than before. The threads for files have timers for
 * ten seconds.
 */
async function untilNoMoreResources(agent: ProbedAgent, before: readonly string[]): Promise<Holdings> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const holdings = await agent.probe();
    const countIn = (names: readonly string[], name: string) =>
      names.filter((other) => other === name).length;
    const isMore = (name: string) => countIn(holdings.resources, name) > countIn(before, name);
    // The probe itself uses immediates.
    if (!holdings.resources.some((name) => name !== "Immediate" && isMore(name))) return holdings;
    if (performance.now() > deadline) expect(holdings.resources).toEqual(before);
  }
}

function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
