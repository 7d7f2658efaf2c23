// Output that never pauses, through upgrades: every byte arrives once and in order.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createClient as createRpcClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { expect, test, vi } from "vitest";
import { createClient } from "../../src/client/index.ts";
import { Process, Signal } from "../../src/gen/process_pb.ts";
import { type RunningAgent, runCommand, startAgent } from "../support/agent/agent.ts";
import { upgrade } from "../support/agent/upgrade.ts";
import { placedEvents } from "../support/clients/placed-events.ts";
import { NumbersCheck, numbersCommand } from "../support/proc/numbers.ts";
import { eventually } from "../support/proc/proc.ts";
import { volume } from "../support/volume.ts";

vi.setConfig({ testTimeout: volume(120_000, 1_800_000) });

const UPGRADES = volume(3, 20);

const carried = [
  [
    "Connect, binary",
    (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
  ],
  [
    "Connect, JSON",
    (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  ],
  [
    "gRPC-web",
    (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
  ],
] as const;

const flood = { pipe: numbersCommand(), pty: `stty raw -echo; exec ${numbersCommand()}` };

/** Upgrades while `receivedBytes` grows, between any two upgrades also. */
async function upgradeWhile(agent: RunningAgent, receivedBytes: () => number): Promise<void> {
  for (let count = 0; count <= UPGRADES; count++) {
    const before = receivedBytes();
    await eventually(
      "more output",
      () => receivedBytes() > before + 100_000,
      () => `${receivedBytes()} of ${before}\n${agent.stderr()}`,
    );
    if (count < UPGRADES) await upgrade(agent);
  }
}

/** Reads one stream, which must not break, to its end. */
async function readThrough(agent: RunningAgent, transport: Transport, kind: "pipe" | "pty"): Promise<void> {
  const client = createRpcClient(Process, transport);
  const check = new NumbersCheck(0);
  let processId = "";
  let bytes = 0;
  const stream = client.start({
    process: { cmd: "sh", args: ["-c", flood[kind]] },
    offsets: true,
    ...(kind === "pty" ? { pty: { size: { cols: 80, rows: 24 } } } : {}),
  });
  const reading = (async () => {
    for await (const event of placedEvents(stream)) {
      if (event.kind === "start") processId = event.processId;
      if (event.kind === "gap") throw new Error(`a gap from ${event.from} to ${event.to}`);
      if (event.kind === "end") return event.end;
      if (event.kind !== "data") continue;
      bytes += event.data.length;
      check.push(event.data);
    }
    return undefined;
  })();
  // A failure shows at the end also.
  reading.catch(() => undefined);
  await upgradeWhile(agent, () => bytes);
  await client.sendSignal({
    process: { selector: { case: "processId", value: processId } },
    signal: Signal.SIGKILL,
  });
  expect(await reading).toMatchObject({ status: "signal: killed", exited: false });
  expect(check.end).toBe(bytes);
}

test.each(
  carried.flatMap(([name, open]) => (["pipe", "pty"] as const).map((kind) => ({ name, open, kind }))),
)(
  "a stream over HTTP/1.1 ($name) of a flood on a $kind continues on its connection through upgrades",
  async ({ open, kind }) => {
    const agent = await startAgent();
    await readThrough(agent, open(agent.url), kind);
    const uncut = agent.stderr().match(/"msg":"client attached"/g) ?? [];
    expect(uncut).toHaveLength(1);
  },
);

test.each(["pipe", "pty"] as const)(
  "holdfast/client reads a flood on a %s through upgrades",
  async (kind) => {
    const agent = await startAgent();
    const client = createClient({ baseUrl: agent.url });
    const process = await client.start({
      cmd: "sh",
      args: ["-c", flood[kind]],
      ...(kind === "pty" ? { pty: { cols: 80, rows: 24 } } : {}),
    });
    const check = new NumbersCheck(0);
    let bytes = 0;
    const reading = (async () => {
      for await (const event of process) {
        if (event.kind === "gap") throw new Error("a gap");
        if (!("data" in event)) continue;
        bytes += event.data.length;
        check.push(event.data);
      }
    })();
    reading.catch(() => undefined);
    await upgradeWhile(agent, () => bytes);
    await process.signal("SIGKILL");
    await reading;
    expect(check.end).toBe(bytes);
    client.close();
  },
);

const fileOf = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}.pem`, import.meta.url));

test.each([
  { tls: false, httpVersion: "2" },
  { tls: true, httpVersion: "1.1" },
  { tls: true, httpVersion: "2" },
] as const)(
  "holdfast/client over HTTP/$httpVersion (TLS: $tls) is cut by each upgrade, and reads a flood without a gap",
  async ({ tls, httpVersion }) => {
    const files = ["--tls-cert", fileOf("cert"), "--tls-key", fileOf("key")];
    const agent = runCommand({ args: ["serve", "--port", "0", ...(tls ? files : [])] });
    const [, url = ""] = await agent.waitFor("stdout", /^holdfast listening on (http\S+)\n/m);
    let reconnects = 0;
    const client = createClient({
      baseUrl: url,
      httpVersion,
      ...(tls ? { ca: readFileSync(fileOf("cert")) } : {}),
    });
    const onState = ({ kind }: { readonly kind: string }) => {
      if (kind === "reconnecting") reconnects++;
    };
    const process = await client.start({ cmd: "sh", args: ["-c", flood.pipe] }, { onState });
    const check = new NumbersCheck(0);
    let bytes = 0;
    const reading = (async () => {
      for await (const event of process) {
        if (event.kind === "gap") throw new Error("a gap");
        bytes += event.data.length;
        check.push(event.data);
      }
    })();
    reading.catch(() => undefined);
    for (let count = 0; count <= UPGRADES; count++) {
      const before = bytes;
      await eventually("more output", () => bytes > before + 100_000, agent.stderr);
      if (count === UPGRADES) break;
      const seen = agent.stderr().match(/"msg":"upgraded"/g)?.length ?? 0;
      agent.kill("SIGUSR2");
      await agent.until("an upgrade", () => {
        const done = agent.stderr().match(/"msg":"upgraded"/g)?.length ?? 0;
        return done > seen ? true : undefined;
      });
    }
    await process.signal("SIGKILL");
    await reading;
    expect(check.end).toBe(bytes);
    expect(reconnects).toBeGreaterThanOrEqual(UPGRADES);
    client.close();
  },
);

test.each([
  [
    "Connect",
    (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true }),
  ],
  ["gRPC", (baseUrl: string) => createGrpcTransport({ baseUrl, useBinaryFormat: true })],
] as const)(
  "a client without offsets over HTTP/2 (%s) that connects again after each upgrade receives every byte once",
  async (_, open) => {
    const agent = await startAgent();
    const check = new NumbersCheck(0);
    let bytes = 0;
    let pid = 0;
    let cuts = 0;
    let end: unknown;
    const reading = (async () => {
      while (end === undefined) {
        const client = createRpcClient(Process, open(agent.url));
        const process = { selector: { case: "pid" as const, value: pid } };
        const stream =
          pid === 0
            ? client.start({ process: { cmd: "sh", args: ["-c", flood.pipe] } })
            : client.connect({ process });
        try {
          for await (const { event: outer } of stream) {
            const event = outer?.event;
            if (event?.case === "start") pid = event.value.pid;
            if (event?.case === "end") end = event.value.status;
            if (event?.case !== "data" || event.value.output.value === undefined) continue;
            bytes += event.value.output.value.length;
            check.push(event.value.output.value);
          }
        } catch (error) {
          if (error instanceof Error && error.name !== "ConnectError") throw error;
          cuts++;
        }
      }
    })();
    reading.catch(() => undefined);
    await upgradeWhile(agent, () => bytes);
    process.kill(pid, "SIGKILL");
    await reading;
    expect(end).toBe("signal: killed");
    expect(check.end).toBe(bytes);
    expect(cuts).toBe(UPGRADES);
  },
);
