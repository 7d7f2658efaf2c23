import { copyFileSync, readFileSync, statSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { IdlePages } from "../../src/agent/idle-pages.ts";
import { cliPath, startAgent } from "../support/agent/agent.ts";
import { expectCommandRuns } from "../support/agent/surviving-agent.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { eventually } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const noLogger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() };

function idlePages(answers: { cpuMs?: () => number; isSupported?: boolean } = {}) {
  const clock = new FakeClock();
  const pageOut = vi.fn(() => answers.isSupported ?? true);
  const ranges = () => [
    { start: 4096, bytes: 4096 },
    { start: 16_384, bytes: 8192 },
  ];
  const cpuMs = answers.cpuMs ?? (() => 0);
  const pages = new IdlePages({ idleMs: 5_000, logger: noLogger, parts: { clock, cpuMs, ranges, pageOut } });
  const request = () => pages.watch(vi.fn())({} as IncomingMessage, {} as ServerResponse);
  return { pages, clock, pageOut, request };
}

/** All steps: each runs in a turn of its own. */
async function allSteps() {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
}

describe("when the agent is idle", () => {
  test("its pages go once after the idle time, and no timer remains", async () => {
    const { pages, clock, pageOut } = idlePages();
    pages.start();
    clock.advance(4_999);
    await allSteps();
    expect(pageOut).not.toHaveBeenCalled();
    clock.advance(1);
    await allSteps();
    expect(pageOut.mock.calls).toEqual([[{ start: 4096, bytes: 4096 }], [{ start: 16_384, bytes: 8192 }]]);
    expect(clock.pendingMs).toEqual([]);
  });

  test("a request begins a new idle time", async () => {
    const { pages, clock, pageOut, request } = idlePages();
    pages.start();
    clock.advance(4_000);
    request();
    clock.advance(4_000);
    await allSteps();
    expect(pageOut).not.toHaveBeenCalled();
    clock.advance(6_000);
    await allSteps();
    expect(pageOut).toHaveBeenCalledTimes(2);
    expect(clock.pendingMs).toEqual([]);
  });

  test("a request between two steps keeps the remaining pages", async () => {
    const { pages, clock, pageOut, request } = idlePages();
    pages.start();
    clock.advance(5_000);
    request();
    await allSteps();
    expect(pageOut).toHaveBeenCalledTimes(1);
  });

  test("work without requests extends the idle time", async () => {
    let cpuMs = 0;
    const { pages, clock, pageOut } = idlePages({ cpuMs: () => cpuMs });
    pages.start();
    cpuMs = 1_000;
    clock.advance(5_000);
    await allSteps();
    expect(pageOut).not.toHaveBeenCalled();
    clock.advance(5_000);
    await allSteps();
    expect(pageOut).toHaveBeenCalledTimes(2);
  });

  test("an old kernel is asked once", async () => {
    const { pages, clock, pageOut, request } = idlePages({ isSupported: false });
    pages.start();
    clock.advance(5_000);
    await allSteps();
    request();
    clock.advance(5_000);
    await allSteps();
    expect(pageOut).toHaveBeenCalledTimes(1);
    expect(clock.pendingMs).toEqual([]);
  });
});

/** Pages of files, in MB. The kernel keeps those that another process maps, so each agent has its own Node. */
function residentFileMb(pid: number): number {
  const [, kib] = /^RssFile:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) / 1024;
}

function ownNode(): readonly string[] {
  const node = join(createTempFolder(), "node");
  copyFileSync(process.execPath, node);
  return [node, cliPath];
}

test("a real agent returns more than half of the memory of its code, unless --no-page-out is set", async () => {
  const agent = await startAgent({ program: ownNode() });
  const keeping = await startAgent({ program: ownNode(), args: ["--no-page-out"] });
  const kept = residentFileMb(keeping.pid);
  const now = () => residentFileMb(agent.pid);
  const untilLess = () =>
    eventually(
      "less memory",
      () => now() < kept / 2,
      () => ({ kept, now: now() }),
      30_000,
    );
  // It returns what the start needed, and later what the requests needed.
  await untilLess();
  await expectCommandRuns(agent.port);
  const used = now();
  expect((await fetch(`${agent.url}/health`)).status).toBe(204);
  await eventually(
    "the code of the requests is returned",
    () => now() < used,
    () => ({ used, now: now() }),
    30_000,
  );
  await untilLess();
  // It became ready later, so its idle time is over only now.
  await eventually(
    "the same age",
    () => ageMs(keeping.pid) > 7_000,
    () => ageMs(keeping.pid),
  );
  expect(residentFileMb(keeping.pid)).toBeGreaterThan(kept * 0.8);
});

function ageMs(pid: number): number {
  return Date.now() - statSync(`/proc/${pid}`).ctimeMs;
}
