// Grandchildren that outlive the process and hold its output open: they delay its end by at most
// the drain deadline (200 ms), continue undisturbed, and leave nothing behind.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { plainClient, untilNone } from "../support/agent/running-processes.ts";
import { type StreamClient, startStream } from "../support/clients/stream-client.ts";
import { inParallel } from "../support/in-parallel.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { childrenOf, eventually, fdCount, stateOf } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";

// Generous, because the machine may be loaded.
vi.setConfig({ testTimeout: 120_000 });

/** The drain deadline is 200 ms; the rest is for loaded machines. Orphans stay longer than this. */
const SOON_MS = 10_000;

/** Running or waiting, not a zombie. */
const ALIVE = /^[RSD]$/;

const kinds = ["pipes", "pty"] as const;

let agent: RunningAgent;
beforeAll(async () => {
  agent = await startAgent();
});
afterAll(async () => {
  expect(await agent.stop()).toEqual({ code: 0, signal: null });
});

interface Script {
  readonly stream: StreamClient;
  /** Its output so far, with plain line ends and without the lines of `yes`. */
  text(): string;
}

/** The script ignores SIGHUP, which all processes on a pty get when their leader ends. */
function startScript(kind: (typeof kinds)[number], script: string): Script {
  let text = "";
  const stream = startStream(
    agent.port,
    {
      process: { cmd: "bash", args: ["-c", `trap "" HUP; ${script}`] },
      ...(kind === "pty" ? { pty: { size: { cols: 80, rows: 24 } } } : {}),
    },
    {
      onData: (data) => {
        text += Buffer.from(data)
          .toString("latin1")
          .replace(/(y\r?\n)+/g, "");
      },
    },
  );
  return { stream, text: () => text.replaceAll("\r\n", "\n") };
}

/** Resolves with the end event while the orphan still runs. */
async function endsSoon(stream: StreamClient) {
  const since = performance.now();
  const { events, end } = await stream.ended();
  expect(events).toEqual(["start", "data", "end"]);
  expect(performance.now() - since).toBeLessThan(SOON_MS);
  return end;
}

/** Resolves when the agent has closed the connection. */
async function leave(stream: StreamClient): Promise<void> {
  const before = fdCount(agent.pid);
  stream.cut("close");
  await eventually(
    "the connection is closed",
    () => fdCount(agent.pid) < before,
    () => ({ before, now: fdCount(agent.pid) }),
  );
}

async function goesAway(pid: number): Promise<void> {
  await eventually(
    `${pid} goes away`,
    () => stateOf(pid) === undefined,
    () => stateOf(pid),
  );
}

describe.each(kinds)("on %s", (kind) => {
  test("a process whose orphan still runs ends within the drain deadline, with all its output", async () => {
    const fifo = createFifo();
    const { stream, text } = startScript(kind, `{ ${fifo.wait}; } & echo started $!`);
    const end = await endsSoon(stream);
    expect(end).toMatchObject({ exited: true, exitCode: 0 });
    expect(text()).toMatch(/^started \d+\n$/);
    const orphan = Number(text().split(" ")[1]);
    expect(stateOf(orphan)).toMatch(ALIVE);
    fifo.open();
    await goesAway(orphan);
  });

  test("a killed process whose orphan still runs ends within the drain deadline, with all its output", async () => {
    const fifo = createFifo();
    const wait = fifo.wait;
    const { stream, text } = startScript(kind, `{ ${wait}; } & echo started $!; { ${wait}; }; echo not this`);
    const pid = await stream.started();
    await stream.until("line", () => text().endsWith("\n"));
    process.kill(pid, "SIGKILL");
    const end = await endsSoon(stream);
    expect(end).toMatchObject({ exited: false, exitCode: -1, status: "signal: killed" });
    const orphan = Number(text().split(" ")[1]);
    expect(stateOf(orphan)).toMatch(ALIVE);
    fifo.open();
    await goesAway(orphan);
  });

  test("an orphan that writes without pause does not delay the end, and its later output is dropped", async () => {
    const fifo = createFifo();
    const { stream, text } = startScript(
      kind,
      `{ yes & { ${fifo.wait}; }; kill $!; } & until [ -e /proc/$!/stat ]; do :; done; echo started $!`,
    );
    await endsSoon(stream);
    expect(text()).toMatch(/started \d+\n/);
    const orphan = Number(/started (\d+)/.exec(text())?.[1]);
    fifo.open();
    await goesAway(orphan);
    await eventually(
      "no child is left",
      () => childrenOf(agent.pid).length === 0,
      () => childrenOf(agent.pid),
    );
  });

  test.each(["reads to the end", "left before it"] as const)(
    "an orphan that writes 2 MB after the end neither blocks nor dies, if the client %s",
    async (what) => {
      const orphanMayGo = createFifo();
      const parentMayGo = createFifo();
      const done = join(createTempFolder(), "done");
      const { stream } = startScript(
        kind,
        `{ ${orphanMayGo.wait}; head -c 2000000 /dev/zero && touch ${done}; } & echo started; ${parentMayGo.wait}`,
      );
      const pid = await stream.started();
      await stream.received("started".length);
      if (what === "left before it") await leave(stream);
      parentMayGo.open();
      await untilNone(plainClient(agent.url), (running) => running.pid === pid);
      orphanMayGo.open();
      await eventually(
        "it has written all",
        () => existsSync(done),
        () => childrenOf(agent.pid).map(stateOf),
      );
      await eventually(
        "it is reaped",
        () => childrenOf(agent.pid).length === 0,
        () => childrenOf(agent.pid),
      );
    },
  );

  test("200 orphans at once leave no descriptor, child or zombie when they have ended", async () => {
    const orphans = async (count: number) => {
      const fifo = createFifo();
      await inParallel(count, 50, async () => {
        const { stream } = startScript(kind, `{ ${fifo.wait}; } & echo started`);
        await endsSoon(stream);
      });
      expect(childrenOf(agent.pid).length).toBe(count);
      fifo.open();
      await eventually(
        "all are reaped",
        () => childrenOf(agent.pid).length === 0,
        () => childrenOf(agent.pid),
      );
    };
    // The first ones may open descriptors that the agent keeps.
    await orphans(2);
    const before = fdCount(agent.pid);
    await orphans(200);
    await eventually(
      "all is closed",
      () => fdCount(agent.pid) <= before,
      () => ({ before, now: fdCount(agent.pid) }),
    );
  });
});
