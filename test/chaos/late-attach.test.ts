// Commands that end before a client reads: their first stream breaks before any output arrives, and a late
// client still receives all of it and the exit code.

import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CallOptions, type Client, createClient } from "@connectrpc/connect";
import { expect, test, vi } from "vitest";
import { type ConnectResponse, Process, type StartResponse } from "../../src/gen/process_pb.ts";
import { startAgent } from "../support/agent/agent.ts";
import { placedEvents, readPlaced } from "../support/clients/placed-events.ts";
import { untilProcesses } from "../support/clients/process-info.ts";
import { ResumingReader } from "../support/clients/resuming-reader.ts";
import { transportKinds } from "../support/clients/transports.ts";
import { inParallel } from "../support/in-parallel.ts";
import { startCuttingProxy } from "../support/network/cutting-proxy.ts";
import { createFedShell, FED_SHELL_EXIT_CODE } from "../support/proc/fed-shell.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { numbersBytes, numbersCommand } from "../support/proc/numbers.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { volume } from "../support/volume.ts";

// Generous: the machine can be busy.
vi.setConfig({ testTimeout: volume(120_000, 1_800_000) });

const ROUNDS = volume(20, 50);
const RUNS = volume(24, 60);

/** Scripts, and all their output: no more than a pipe holds, because it is not read. */
const commands = [
  { script: "echo done", output: { stdout: "done\n" }, end: { exited: true, exitCode: 0 } },
  { script: "echo bad >&2; exit 3", output: { stderr: "bad\n" }, end: { exited: true, exitCode: 3 } },
  {
    script: `${numbersCommand(3000)}; echo over >&2`,
    output: { stdout: numbersBytes(51_000).toString("latin1"), stderr: "over\n" },
    end: { exited: true, exitCode: 0 },
  },
  {
    script: "printf last; kill -KILL $$",
    output: { stdout: "last" },
    end: { exited: false, exitCode: -1, status: "signal: killed" },
  },
  { script: "exit 9", output: {}, end: { exited: true, exitCode: 9 } },
] as const;

type Request = ReturnType<typeof requestOf>;
type Started = { readonly pid: number; readonly processId: string; readonly request: Request };
type Attach = (
  client: Client<typeof Process>,
  first: Started,
) => (options: CallOptions) => AsyncIterable<StartResponse | ConnectResponse>;

const waysBack: readonly Attach[] = [
  (client, { processId: value }) =>
    (options) =>
      client.connect(selecting({ case: "processId", value }), options),
  (client, { pid: value }) =>
    (options) =>
      client.connect(selecting({ case: "pid", value }), options),
  (client, { request: { tag: value } }) =>
    (options) =>
      client.connect(selecting({ case: "tag", value }), options),
  (client, { request }) =>
    (options) =>
      client.start(request, options),
];

const transports = transportKinds.filter(({ name }) => /^Connect over \S+, (binary|JSON)$/.test(name));

test(`${ROUNDS} times 4 commands whose clients disconnect before any output lose no output and no exit code`, async () => {
  const agent = await startAgent();
  const clientAt = (index: number) => {
    const open = transports[index % transports.length]?.open(agent.url);
    if (open === undefined) throw new Error("no transports");
    return { client: createClient(Process, open.transport), close: open.close };
  };

  await inParallel(ROUNDS, 2, async (round) => {
    const command = commands[round % commands.length] ?? commands[0];
    const fifo = createFifo();
    const { client, close } = clientAt(round);
    const firsts = await Promise.all(
      waysBack.map(() => startAndLeave(client, requestOf(`${fifo.wait}; ${command.script}`))),
    );
    close();
    const ids = firsts.map(({ processId }) => processId);
    await untilProcesses(agent.url, ids, "left by their clients", ({ subscribers }) => subscribers === 0);
    fifo.open();
    // Half of them attach after the end, half before.
    if (round % 2 === 0) await untilProcesses(agent.url, ids, "ended", ({ end }) => end !== undefined);

    const late = clientAt(round + 1);
    const streams = await Promise.all(
      waysBack.map(async (attach, index) => {
        const first = firsts[index];
        if (first === undefined) throw new Error("not started");
        return readPlaced(attach(late.client, first));
      }),
    );
    late.close();
    for (const [index, stream] of streams.entries()) {
      const { output, end } = command;
      expect({ round, way: index, ...stream }).toMatchObject({ processId: ids[index], offset: 0, end });
      expect({ round, way: index, output: stream.output }).toEqual({ round, way: index, output });
    }
  });
});

test("a repeated start receives a live process's output from its first byte, delivered before or not", async () => {
  const agent = await startAgent();
  for (const { open } of transports) {
    const { transport, close } = open(agent.url);
    const client = createClient(Process, transport);
    const shell = createFedShell();
    const request = { process: shell.process, stdin: false, offsets: true, startId: randomUUID() };
    shell.tell("echo one");
    const first = await readPlaced((options) => client.start(request, options), "one\n".length);
    shell.tell("echo two");
    const second = await readPlaced((options) => client.start(request, options), "one\ntwo\n".length);
    shell.end();
    const third = await readPlaced((options) => client.start(request, options));
    close();
    expect(second).toMatchObject({ processId: first.processId, offset: 0, output: { stdout: "one\ntwo\n" } });
    const end = { exitCode: FED_SHELL_EXIT_CODE };
    expect(third).toMatchObject({ processId: first.processId, offset: 0, output: second.output, end });
  }
});

test("commands whose start breaks at any byte and is repeated run once, and lose no output and no exit code", async () => {
  const agent = await startAgent();
  const log = join(createTempFolder(), "log");
  writeFileSync(log, "");
  const proxy = await startCuttingProxy({ port: agent.port, afterBytes: { min: 1, max: 900 } });
  const random = seededRandom(proxy.seed);
  const runs = Array.from({ length: RUNS }, (_, index) => `run ${index}`);
  for (const run of runs) {
    let output = "";
    const reader = new ResumingReader({
      proxy,
      transports,
      start: {
        process: { cmd: "sh", args: ["-c", `echo ${run} >> ${log}; echo ${run}; exit 5`] },
        stdin: false,
      },
      random,
      onData: (data) => {
        output += Buffer.from(data).toString();
      },
      whileAway: async () => {
        // At once.
      },
    });
    expect(await reader.read()).toMatchObject({ exited: true, exitCode: 5 });
    expect(output).toBe(`${run}\n`);
  }
  expect(proxy.cuts.rst + proxy.cuts.fin + proxy.cuts.silent).toBeGreaterThan(runs.length / 2);
  expect(readFileSync(log, "utf8").trimEnd().split("\n")).toEqual(runs);
});

function requestOf(script: string) {
  return {
    process: { cmd: "bash", args: ["-c", script] },
    stdin: false,
    offsets: true,
    startId: randomUUID(),
    tag: randomUUID(),
  };
}

type Selector =
  | { readonly case: "processId" | "tag"; readonly value: string }
  | { case: "pid"; value: number };

function selecting(selector: Selector) {
  return { process: { selector }, offsets: true };
}

/** Disconnects after the start event. */
async function startAndLeave(client: Client<typeof Process>, request: Request): Promise<Started> {
  const leaving = new AbortController();
  const events = placedEvents(client.start(request, { signal: leaving.signal }));
  const { value: start } = await events.next();
  leaving.abort();
  await expect(events.next()).rejects.toThrow("abort");
  if (start?.kind !== "start") throw new Error(`no start event, but ${JSON.stringify(start)}`);
  return { pid: start.pid, processId: start.processId, request };
}
