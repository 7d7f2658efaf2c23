// The metrics, each checked against a session in which its value is known.

import { mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { fileClient } from "../support/agent/file-agent.ts";
import { killAll, plainClient } from "../support/agent/running-processes.ts";
import { answerOf } from "../support/clients/command-answer.ts";
import { openConnection, requestBytes } from "../support/clients/raw-http.ts";
import { receive } from "../support/clients/received-events.ts";
import { encodeBody } from "../support/clients/rpc-call.ts";
import { eventually } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";

type Samples = Readonly<Record<string, number>>;

/** `name{label="value"}` and its number. Every line must be in Prometheus's format. */
async function scrape({ url }: RunningAgent): Promise<Samples> {
  const response = await fetch(`${url}/metrics/prometheus`);
  expect([response.status, response.headers.get("content-type")]).toEqual([
    200,
    "text/plain; version=0.0.4; charset=utf-8",
  ]);
  const samples: Record<string, number> = {};
  for (const line of (await response.text()).split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, name = "", value = ""] = /^([a-z0-9_]+(?:\{[^}]*\})?) (\S+)$/.exec(line) ?? [];
    expect({ line, isNumber: name !== "" && (value === "NaN" || Number.isFinite(Number(value))) }).toEqual({
      line,
      isNumber: true,
    });
    samples[name] = Number(value);
  }
  return samples;
}

async function eventuallySample(agent: RunningAgent, name: string, value: number): Promise<void> {
  let last: Samples = {};
  await eventually(
    `${name} is ${value}`,
    async () => {
      last = await scrape(agent);
      return last[name] === value;
    },
    () => last[name],
  );
}

test("bytes are counted by stream, processes by state, starts and drains by duration", async () => {
  const agent = await startAgent();
  onTestFinished(() => killAll(agent.url));
  const script = "head -c 300000 /dev/zero; head -c 70 /dev/zero >&2; cat >/dev/null";
  const client = plainClient(agent.url);
  const received = receive(client.start({ process: { cmd: "sh", args: ["-c", script] } }));
  const pid = await received.started();
  const selector = { selector: { case: "pid", value: pid } } as const;
  await client.sendInput({
    process: selector,
    input: { input: { case: "stdin", value: new Uint8Array(1234) } },
  });
  await client.sendInput({
    process: selector,
    input: { input: { case: "stdin", value: new Uint8Array(1234) } },
    offset: 0n,
  });
  expect(await scrape(agent)).toMatchObject({
    'holdfast_processes{state="running"}': 1,
    // Of a process that is still running. The piece that was sent twice is accepted once.
    'holdfast_input_bytes_total{stream="stdin"}': 1234,
    holdfast_subscribers: 1,
    holdfast_memory_budget_bytes: 64 * 2 ** 20,
    holdfast_memory_budget_spent: 0,
  });
  await client.closeStdin({ process: selector });
  await received.ended();
  await answerOf(agent.url, "sh", ["-c", "printf 12345"], { pty: true });
  await answerOf(agent.url, "no-such-command", []);
  await eventuallySample(agent, "holdfast_subscribers", 0);
  const samples = await scrape(agent);
  expect(samples).toMatchObject({
    'holdfast_processes{state="running"}': 0,
    'holdfast_processes{state="draining"}': 0,
    'holdfast_processes{state="retained"}': 2,
    holdfast_processes_started_total: 2,
    holdfast_starts_refused_total: 1,
    'holdfast_output_bytes_total{stream="stdout"}': 300_000,
    'holdfast_output_bytes_total{stream="stderr"}': 70,
    'holdfast_output_bytes_total{stream="pty"}': 5,
    'holdfast_input_bytes_total{stream="stdin"}': 1234,
    'holdfast_input_bytes_total{stream="pty"}': 0,
    holdfast_attached_total: 2,
    'holdfast_detached_total{reason="end"}': 2,
    'holdfast_refusals_total{code="invalid_argument"}': 1,
    holdfast_start_seconds_count: 2,
    'holdfast_start_seconds_bucket{le="+Inf"}': 2,
    holdfast_drain_seconds_count: 2,
    holdfast_gaps_total: 0,
  });
  expect(samples["holdfast_held_bytes"]).toBeGreaterThan(300_000);
  expect(samples["holdfast_start_seconds_sum"]).toBeGreaterThan(0);
  expect(samples["holdfast_connections"]).toBeGreaterThanOrEqual(1);
  const buckets = Object.entries(samples).filter(([name]) =>
    name.startsWith("holdfast_start_seconds_bucket"),
  );
  expect(buckets.map(([, value]) => value)).toEqual(buckets.map(([, value]) => value).sort((a, b) => a - b));
  // Node's own metrics.
  for (const name of [
    "process_resident_memory_bytes",
    "process_open_fds",
    "nodejs_eventloop_lag_p99_seconds",
  ])
    expect(samples).toHaveProperty(name);
  // The scrape has a connection of its own, which may be closed already.
  const open = samples["process_open_fds"] ?? 0;
  expect([open, open - 1]).toContain(readdirSync(`/proc/${agent.pid}/fd`).length);
});

test("pauses, resumes and gaps are counted", async () => {
  const agent = await startAgent({ args: ["--detached", "ring", "--replay", "64KiB"] });
  onTestFinished(() => killAll(agent.url));
  const client = plainClient(agent.url);
  const left = new AbortController();
  const script = "printf 1234567890; read -r go; head -c 1000000 /dev/zero; read -r end";
  const received = receive(
    client.start({ process: { cmd: "sh", args: ["-c", script] } }, { signal: left.signal }),
  );
  const pid = await received.started();
  const process = { selector: { case: "pid", value: pid } } as const;
  await received.until(() => received.text("stdout").length === 10);
  left.abort();
  await eventuallySample(agent, "holdfast_subscribers", 0);
  await client.sendInput({ process, input: { input: { case: "stdin", value: Buffer.from("go\n") } } });
  await eventuallySample(agent, 'holdfast_output_bytes_total{stream="stdout"}', 1_000_010);
  const back = receive(client.connect({ process, fromOffset: 5n }));
  await back.until(() => back.kinds.includes("gap"));
  const samples = await scrape(agent);
  expect(samples).toMatchObject({
    holdfast_resumes_total: 1,
    holdfast_gaps_total: 1,
    holdfast_attached_total: 2,
  });
  // Everything except the ring: 64 KiB, and the rest of the chunk in which they begin, a read of at most 64 KiB.
  expect(samples["holdfast_gap_bytes_total"]).toBeGreaterThanOrEqual(1_000_005 - 2 * 64 * 1024);
  expect(samples["holdfast_gap_bytes_total"]).toBeLessThan(1_000_005);
});

test("a process without a reader counts as paused, a client that delays another as a stall and then as a cut", async () => {
  const agent = await startAgent({ args: ["--stall-timeout", "200ms"] });
  onTestFinished(() => killAll(agent.url));
  const stalled = await openConnection(agent.port);
  onTestFinished(() => stalled.cut());
  const body = encodeBody("Connect JSON", "Start", [{ process: { cmd: "yes" }, tag: "flood" }]);
  stalled.send(
    `POST /process.Process/Start HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+json\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  stalled.send(body);
  await stalled.until("its start", (bytes) => bytes.includes("start") || undefined);
  stalled.socket.pause();
  await eventuallySample(agent, "holdfast_reads_paused", 1);
  const paused = await scrape(agent);
  expect(paused["holdfast_read_pauses_total"]).toBeGreaterThanOrEqual(1);
  expect(paused["holdfast_stalls_total"]).toBe(0);

  const other = receive(
    plainClient(agent.url).connect({ process: { selector: { case: "tag", value: "flood" } } }),
  );
  await eventuallySample(agent, "holdfast_cuts_total", 1);
  const cut = await scrape(agent);
  expect(cut["holdfast_stalls_total"]).toBeGreaterThanOrEqual(1);
  expect(cut['holdfast_detached_total{reason="cut"}']).toBe(1);
  expect(cut['holdfast_refusals_total{code="resource_exhausted"}']).toBe(1);
  await killAll(agent.url);
  await other.ended();
});

test("GET /metrics describes the machine in envd's format", async () => {
  const agent = await startAgent();
  const read = async () => (await fetch(`${agent.url}/metrics`)).json() as Promise<Record<string, number>>;
  await read();
  const report = await read();
  expect(Object.keys(report)).toEqual([
    "ts",
    "cpu_count",
    "cpu_used_pct",
    "mem_total",
    "mem_used",
    "mem_cache",
    "mem_total_mib",
    "mem_used_mib",
    "disk_used",
    "disk_total",
  ]);
  const { availableParallelism, totalmem } = await import("node:os");
  expect(report["cpu_count"]).toBe(availableParallelism());
  expect(report["mem_total"]).toBeLessThanOrEqual(totalmem());
  expect(Math.abs((report["ts"] ?? 0) - Date.now() / 1000)).toBeLessThan(60);
  for (const [used, total] of [
    ["mem_used", "mem_total"],
    ["disk_used", "disk_total"],
    ["mem_used_mib", "mem_total_mib"],
  ] as const) {
    expect(report[used]).toBeGreaterThan(0);
    expect(report[used]).toBeLessThan(report[total] ?? 0);
  }
  expect(report["cpu_used_pct"]).toBeGreaterThanOrEqual(0);
  expect(report["cpu_used_pct"]).toBeLessThanOrEqual(100);
  expect(report["mem_total_mib"]).toBe(Math.floor((report["mem_total"] ?? 0) / 2 ** 20));
});

test("watches, their directories, events and queues are counted, and so are transfers", async () => {
  const agent = await startAgent();
  const client = fileClient(agent.url);
  const folder = createTempFolder();
  mkdirSync(join(folder, "sub"));
  const { watcherId } = await client.createWatcher({ path: folder, recursive: true });
  expect(await scrape(agent)).toMatchObject({
    holdfast_watchers: 1,
    holdfast_watched_directories: 2,
    holdfast_watch_events_total: 0,
    holdfast_watch_queue_bytes: 0,
  });
  mkdirSync(join(folder, "one"));
  rmdirSync(join(folder, "one"));
  await eventuallySample(agent, "holdfast_watch_events_total", 2);
  const { holdfast_watch_queue_bytes: queueBytes, holdfast_held_bytes: heldBytes } = await scrape(agent);
  expect(queueBytes).toBeGreaterThan(0);
  expect(heldBytes).toBeGreaterThanOrEqual(queueBytes ?? 0);
  await client.removeWatcher({ watcherId });
  expect(await scrape(agent)).toMatchObject({
    holdfast_watchers: 0,
    holdfast_watched_directories: 0,
    holdfast_watch_events_total: 2,
    holdfast_watch_queue_bytes: 0,
    holdfast_watch_rescans_total: 0,
    holdfast_transfers: 0,
  });
  const upload = await openConnection(agent.port);
  onTestFinished(() => upload.cut());
  const headers = { "content-type": "application/octet-stream" };
  upload.send(
    requestBytes({ path: `/files?path=${folder}/file`, headers, body: "0123456789" }).subarray(0, -1),
  );
  await eventuallySample(agent, "holdfast_transfers", 1);
  upload.send(Buffer.from("9"));
  expect((await upload.response()).status).toBe(200);
  await eventuallySample(agent, "holdfast_transfers", 0);
});

test("connections without a request are counted in what is held, beyond the first 128", async () => {
  const agent = await startAgent();
  const held = async () => (await scrape(agent))["holdfast_held_bytes"];
  const before = (await held()) ?? 0;
  const connections = await Promise.all(Array.from({ length: 200 }, () => openConnection(agent.port)));
  onTestFinished(() => {
    for (const connection of connections) connection.cut();
  });
  // The connection of `scrape` itself may be idle or not.
  const least = before + (200 - 128 - 1) * 24 * 1024;
  await eventually(
    "they are counted",
    async () => ((await held()) ?? 0) >= least,
    () => least,
  );
  for (const connection of connections) connection.cut();
  await eventually(
    "they are gone",
    async () => (await held()) === before,
    () => before,
  );
});
