// What the console costs the agent and the browser, and how fast it echoes. Each prints its figures.

import { readdirSync, readFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { cliPath, type RunningAgent } from "../../support/agent/agent.ts";
import { hasBrowser } from "../../support/clients/browser.ts";
import type { BrowserPage } from "../../support/clients/devtools.ts";
import { onTerminal } from "../../support/proc/on-terminal.ts";
import { focusTerminal, screenHas, startConsole, stateIs, terminal } from "../support/console.ts";

vi.setConfig({ testTimeout: 240_000 });

const say = (text: string) => process.stderr.write(`${text}\n`);

/** The CPU time of all threads of a process, in milliseconds: exact, where the ticks of its stat are 10 ms. */
function cpuMs(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  const nanoseconds = (task: string) =>
    Number(readFileSync(`${tasks}/${task}/schedstat`, "latin1").split(" ")[0]);
  return readdirSync(tasks).reduce((sum, task) => sum + nanoseconds(task) / 1e6, 0);
}

async function metric(page: BrowserPage, name: string): Promise<number> {
  const { metrics } = (await page.send("Performance.getMetrics")) as unknown as {
    metrics: readonly { name: string; value: number }[];
  };
  return metrics.find((each) => each.name === name)?.value ?? Number.NaN;
}

async function heapBytes(page: BrowserPage): Promise<number> {
  await page.send("HeapProfiler.collectGarbage");
  return metric(page, "JSHeapUsedSize");
}

const polls = `performance.getEntriesByType("resource").filter(({ name }) => name.endsWith("/process.Process/List"))`;

interface TableCost {
  /** Of the agent, per poll. */
  readonly cpuMs: number;
  readonly bytesPerSecond: number;
  /** The heap of the page before, and by how much it grew. */
  readonly heap: number;
  readonly grown: number;
}

/** What 15 polls of the table cost. Prints the figures. */
async function tableCost(name: string, agent: RunningAgent, page: BrowserPage): Promise<TableCost> {
  await page.send("Performance.enable");
  // The first polls are interpreted by V8. The agent looks after the starts, and 20 s later it returns memory, once.
  await page.until(`${polls}.length >= 30`);
  await page.evaluate("performance.clearResourceTimings()");
  const before = {
    cpu: cpuMs(agent.pid),
    heap: await heapBytes(page),
    task: await metric(page, "TaskDuration"),
  };
  const from = Date.now();
  await page.until(`${polls}.length >= 15`);
  const seconds = (Date.now() - from) / 1000;
  const bytes = await page.evaluate<number>(
    `performance.getEntriesByType("resource").reduce((sum, { transferSize }) => sum + transferSize, 0)`,
  );
  const cpu = cpuMs(agent.pid) - before.cpu;
  const tab = ((await metric(page, "TaskDuration")) - before.task) / seconds;
  const grown = (await heapBytes(page)) - before.heap;
  say(
    `${name}: agent ${(cpu / (10 * seconds)).toFixed(2)} % of a core, ${(bytes / seconds / 1000).toFixed(1)} kB/s; ` +
      `tab ${(100 * tab).toFixed(1)} % of a core, heap ${(before.heap / 1e6).toFixed(1)} MB, ${(grown / 1e3).toFixed(0)} kB more after ${seconds.toFixed(0)} s`,
  );
  return { cpuMs: cpu / 15, bytesPerSecond: bytes / seconds, heap: before.heap, grown };
}

test.runIf(hasBrowser)(
  "an open table of 1,000 processes costs the agent little more than an empty one, and 20 kB/s at most",
  async () => {
    const [full, empty] = await Promise.all([startConsole(), startConsole()]);
    for (let batch = 0; batch < 50; batch++)
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          (await full.client.start({ cmd: "sleep", args: ["3600"], stdin: false })).detach();
        }),
      );
    // A user has more than one; the table keeps 1,000 of them.
    const page = await full.open("");
    await page.until(`/1,?000/.test(document.querySelector(".segments .count")?.textContent ?? "")`);
    expect(await page.evaluate(`document.querySelectorAll("tbody tr").length`)).toBeLessThan(100);
    // Both at once: the same work takes 1 to 4 % of a core, as busy as the machine is.
    const [table, emptyTable] = await Promise.all([
      tableCost("1,000 rows", full.agent, page),
      tableCost("no rows", empty.agent, await empty.open("")),
    ]);
    expect(table.bytesPerSecond).toBeLessThan(20_000);
    // It was 3 times as much.
    expect(table.cpuMs / emptyTable.cpuMs).toBeLessThan(5);
    expect(table.heap).toBeLessThan(30_000_000);
    expect(table.grown).toBeLessThan(3_000_000);
  },
);

test.runIf(hasBrowser)("a flood of output leaves the heap of the page as it was", async () => {
  const { start, open } = await startConsole();
  const { processId } = await start({
    cmd: "bash",
    args: ["--norc"],
    env: { PS1: "ready> " },
    pty: terminal,
  });
  const page = await open(`#/p/c:${processId}`);
  await page.until(screenHas("ready>"));
  await page.send("Performance.enable");
  await page.evaluate(focusTerminal);
  // The scrollback is full, so that later lines only replace others.
  await page.insert("seq 20000; echo full-$((1+1))");
  await page.press("Enter");
  await page.until(screenHas("full-2"));
  const before = await heapBytes(page);
  await page.insert("yes | head -c 60000000; echo over-$((1+1))");
  await page.press("Enter");
  let most = 0;
  const isOver = () => page.evaluate<boolean>(screenHas("over-2"));
  while (!(await isOver())) most = Math.max(most, await metric(page, "JSHeapUsedSize"));
  const after = await heapBytes(page);
  say(
    `a flood of 60 MB: heap ${(before / 1e6).toFixed(1)} MB before, at most ${(most / 1e6).toFixed(1)}, ${(after / 1e6).toFixed(1)} after`,
  );
  expect(after - before).toBeLessThan(30_000_000);
});

const percentile = (times: readonly number[], share: number) =>
  [...times].sort((a, b) => a - b)[Math.floor(share * (times.length - 1))] ?? Number.NaN;

test.runIf(hasBrowser)("a key is echoed in the console as fast as in the command", async () => {
  const { agent, start, open } = await startConsole();
  const cat = { cmd: "sh", args: ["-c", "stty -icanon; printf ready; exec cat >/dev/null"], pty: terminal };
  const keys = 60;
  const first = await start(cat);
  const page = await open(`#/p/c:${first.processId}`);
  await page.until(stateIs("attached"));
  await page.until(screenHas("ready"));
  // From the key's event to the change of the screen.
  await page.evaluate(`(() => {
    window.times = [];
    let at;
    document.querySelector(".xterm-helper-textarea").addEventListener("input", () => { at = performance.now(); }, { capture: true });
    new MutationObserver(() => {
      if (at === undefined) return;
      window.times.push(performance.now() - at);
      at = undefined;
    }).observe(document.querySelector(".xterm-rows"), { childList: true, subtree: true, characterData: true });
  })()`);
  await page.evaluate(focusTerminal);
  for (let n = 1; n <= keys; n++) {
    await page.insert("x");
    await page.until(`window.times.length >= ${n}`);
  }
  const inPage = await page.evaluate<number[]>("window.times");
  const second = await start(cat);
  // The start may have received "ready" before it left.
  const attach = ["attach", "--from", "0", second.processId, "--url", agent.url];
  const attached = onTerminal([process.execPath, cliPath, ...attach]);
  await attached.waitFor(/ready/);
  const inCommand: number[] = [];
  for (let n = 0; n < keys; n++) {
    const from = attached.shown().length;
    const at = performance.now();
    attached.type("x");
    await attached.waitFor(/x/, from);
    inCommand.push(performance.now() - at);
  }
  const line = (times: readonly number[]) =>
    `p50 ${percentile(times, 0.5).toFixed(1)} ms, p95 ${percentile(times, 0.95).toFixed(1)} ms`;
  say(`echo of a key: console ${line(inPage)}; holdfast attach ${line(inCommand)}`);
  expect(percentile(inPage, 0.5)).toBeLessThan(100);
});
