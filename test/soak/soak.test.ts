// `npm run soak`: an hour of a busy agent's life in ten minutes. A dozen processes at any time live
// one of the lives in lives.ts, chosen at random, over connections that break. At the end every
// byte was correct, and the agent holds as much as at the start.

import { readFileSync } from "node:fs";
import { expect, onTestFailed, test } from "vitest";
import { createClient } from "../../src/client/index.ts";
import { killProcesses } from "../support/agent/kill-processes.ts";
import { type Holdings, type ProbedAgent, startProbedAgent } from "../support/agent/probed-agent.ts";
import { expectCommandRuns } from "../support/agent/surviving-agent.ts";
import { upgrade } from "../support/agent/upgrade.ts";
import { type CuttingProxy, startCuttingProxy } from "../support/network/cutting-proxy.ts";
import { childrenOf, eventually } from "../support/proc/proc.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { lives } from "./lives.ts";

const minutes = Number(process.env["HOLDFAST_SOAK_MINUTES"] ?? 10);
const seed = Number(process.env["HOLDFAST_SOAK_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
/** Between the end of an upgrade and the next. */
const upgradeSeconds = Number(process.env["HOLDFAST_SOAK_UPGRADE_SECONDS"] ?? 20);
const AT_ONCE = 12;
const MOST_HEAP_GROWTH_BYTES = 8 * 2 ** 20;
/**
 * Without the output of retained processes. The allocator keeps freed buffers, more of them the
 * busier it was.
 */
const MOST_RESIDENT_GROWTH_BYTES = 250 * 2 ** 20;

const all = Object.entries(lives);

test("after many lives of processes every byte was correct and the agent holds as much as before", {
  timeout: 2 ** 31 - 1,
}, async () => {
  const agent = await startProbedAgent({
    args: [
      "--stall-timeout",
      "500ms",
      // A flood of 1.7 MB needs up to 40 s on a busy machine: each of dozens of cuts lets a part of it through.
      "--retain-ended",
      "90s",
      "--max-retained",
      "2000",
      "--memory-budget",
      "512MiB",
      "--max-streams",
      "2000",
    ],
    env: { HOLDFAST_LOG_LEVEL: "warn" },
  });
  onTestFailed(() =>
    console.error(
      agent
        .stderr()
        .replace(/^probe .*\n/gm, "")
        .slice(-20_000),
    ),
  );
  const proxy = await startCuttingProxy({
    port: agent.port,
    afterBytes: { min: 1, max: 1_000_000 },
    // A silent cut costs its client two seconds. Few clients that still read after the end may need
    // more time than ended processes are retained for.
    kinds: ["rst", "fin", "rst", "fin", "rst", "fin", "silent"],
    seed,
  });
  const reconnect = { initialDelayMs: 5, maxDelayMs: 50, keepaliveSeconds: 1 };
  const clients = (["1.1", "2"] as const).map((httpVersion) => ({
    direct: createClient({ baseUrl: agent.url, httpVersion, reconnect }),
    cut: createClient({ baseUrl: proxy.url, httpVersion, reconnect }),
  }));
  const random = seededRandom(seed);
  const lived = new Map<string, number>();
  const live = async (ordinal: number) => {
    const own = seededRandom(seed + ordinal);
    const [name, life] = all[Math.floor(own() * all.length)] ?? fail();
    const { direct, cut } = clients[own() < 0.5 ? 0 : 1] ?? fail();
    try {
      await life({ port: agent.port, direct, cut, random: own });
    } catch (error) {
      throw new Error(
        `--seed ${seed}, life ${ordinal}, ${name}: ${error instanceof Error ? error.message : error}`,
        {
          cause: error,
        },
      );
    }
    lived.set(name, (lived.get(name) ?? 0) + 1);
  };
  await expectCommandRuns(agent.port);
  const rest = await agent.probe();
  // Each life once, without cuts, so that everything made at first use exists.
  const whole = clients[0]?.direct ?? fail();
  await Promise.all(all.map(([, life]) => life({ port: agent.port, direct: whole, cut: whole, random })));
  const before = await agent.probe();

  const endsAt = performance.now() + minutes * 60_000;
  let ordinal = 0;
  const work = async () => {
    while (performance.now() < endsAt) {
      await live(++ordinal);
      // Retained processes that are too many would evict those whose clients have yet to return.
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  };
  let upgrades = 0;
  const upgradeAgain = async () => {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, upgradeSeconds * 1000));
      if (performance.now() >= endsAt) return;
      // A connection that stays open would be more than at rest.
      await upgrade(agent, undefined, { Connection: "close" });
      upgrades++;
    }
  };
  await Promise.all([...Array.from({ length: AT_ONCE }, work), upgradeAgain()]);
  for (const { direct, cut } of clients) {
    direct.close();
    cut.close();
  }
  const after = await atRest(agent, proxy, rest);

  await proxy.close();

  const total = [...lived.values()].reduce((sum, count) => sum + count, 0);
  process.stdout.write(
    `${total} lives (${[...lived].map(([name, count]) => `${name} ${count}`).join(", ")}), ` +
      `${Object.values(proxy.cuts).reduce((sum, count) => sum + count, 0)} connections cut, ${upgrades} upgrades, --seed ${seed}; ` +
      `resident ${mib(before.rssBytes)} to ${mib(after.rssBytes)} MiB, heap ${mib(before.heapBytes)} to ${mib(after.heapBytes)}\n`,
  );
  expect(lived.size).toBeGreaterThan(minutes >= 1 ? all.length - 1 : 0);
  expect(after.heapBytes - before.heapBytes).toBeLessThan(MOST_HEAP_GROWTH_BYTES);
  expect(after.rssBytes - before.rssBytes - (await heldBytes(agent.url))).toBeLessThan(
    MOST_RESIDENT_GROWTH_BYTES,
  );
  expect(agent.stderr().split("\n").filter(isFault)).toEqual([]);
  expect(await agent.stop()).toEqual({ code: 0, signal: null });
});

/**
 * Resolves when nothing runs and nothing is left beyond `rest`: no timer, connection, pipe or
 * descriptor.
 */
async function atRest(agent: ProbedAgent, proxy: CuttingProxy, rest: Holdings): Promise<Holdings> {
  // The kernel still acknowledges data on these connections, so the agent cannot detect that they
  // are dead.
  proxy.resetSilent();
  await killProcesses(agent.port);
  let last: Holdings | undefined;
  await eventually(
    "nothing more than at rest",
    async () => {
      last = await agent.probe();
      // The timer for retained processes existed at rest, and an immediate may belong to the probe.
      const kinds = ({ resources }: Holdings) =>
        resources.filter((name) => !/Timeout|Immediate/.test(name)).join();
      const timers = ({ resources }: Holdings) => resources.filter((name) => name === "Timeout").length;
      const isQuiet = childrenOf(agent.pid).length === 0 && kinds(last) === kinds(rest);
      return isQuiet && timers(last) <= timers(rest) && last.fds <= rest.fds;
    },
    () => ({ last, rest, children: childrenOf(agent.pid).map(commandLineOf) }),
    60_000,
  );
  return last ?? fail();
}

function commandLineOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
}

function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}

function fail(): never {
  throw new Error("there is none");
}

async function heldBytes(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics/prometheus`)).text();
  return Number(/^holdfast_held_bytes (\d+)$/m.exec(metrics)?.[1]);
}

/** A process that waits for a client which is slow or away is logged, and is no fault. */
function isFault(line: string): boolean {
  return /"level":"(warn|error)"/.test(line) && !line.includes("process is blocked in a write");
}
