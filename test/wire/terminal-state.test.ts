// The state of a terminal on the wire: sent to clients that ask for it, where their output begins.

import { beforeAll, expect, test } from "vitest";
import { createClient } from "../../src/client/index.ts";
import { Process } from "../../src/gen/process_pb.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { callRpc, encodeBody, protocols } from "../support/clients/rpc-call.ts";
import { binaryFields, jsonFields } from "../support/clients/wire-fields.ts";
import { eventually } from "../support/proc/proc.ts";

let agent: RunningAgent;

beforeAll(async () => {
  agent = await startAgent({ args: ["--replay", "64KiB"] });
  return () => agent.stop();
});

const SCREEN = "\u001b[?1049h\u001b[?1h\u001b[?1002;1006h\u001b[2;20r\u001b]2;screen\u0007";
const RESTORED = "\u001b[?1049h\u001b]2;screen\u001b\\\u001b[2;20r\u001b[?1h\u001b[?1002h\u001b[?1006h";

function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString("latin1");
}

/** Starts a terminal that writes `SCREEN`, then `more`, and then waits. Nobody is attached. */
async function startScreen(tag: string, more = ""): Promise<void> {
  const client = createClient({ baseUrl: agent.url });
  const started = await client.start({
    cmd: "bash",
    args: [
      "-c",
      `printf %b '${SCREEN.replaceAll("\u001b", "\\033").replaceAll("\u0007", "\\007")}'; ${more} read -r line`,
    ],
    pty: { cols: 100, rows: 30 },
    tag,
    output: { detached: "ring" },
  });
  expect(text(started.terminal?.restore)).toBe("");
  expect(started.terminal?.size).toEqual({ cols: 100, rows: 30 });
  started.detach();
  client.close();
}

async function untilHead(tag: string, bytes: number): Promise<void> {
  const client = createClient({ baseUrl: agent.url });
  const find = async () => (await client.list()).find((info) => info.tag === tag);
  await eventually(
    `${tag} has written ${bytes} bytes`,
    async () => ((await find())?.offset ?? 0) >= bytes,
    () => tag,
  );
  client.close();
}

test("a client that attaches at an offset gets the state there, within a sequence also", async () => {
  await startScreen("offsets");
  await untilHead("offsets", SCREEN.length);
  const client = createClient({ baseUrl: agent.url });
  for (const [fromOffset, expected] of [
    [0, ""],
    [4, "\u001b[?1"],
    [8, "\u001b[?1049h"],
    [10, "\u001b[?1049h\u001b["],
    [SCREEN.length, RESTORED],
  ] as const) {
    const remote = await client.attach({ tag: "offsets" }, { fromOffset, lag: "skip" });
    expect([fromOffset, text(remote.terminal?.restore)]).toEqual([fromOffset, expected]);
    remote.detach();
  }
  const remote = await client.attach({ tag: "offsets" });
  await remote.resize({ cols: 90, rows: 20 });
  remote.detach();
  const later = await client.attach({ tag: "offsets" }, { fromOffset: SCREEN.length });
  expect(later.terminal?.size).toEqual({ cols: 90, rows: 20 });
  // Terminals drop the scroll region when their size changes.
  expect(text(later.terminal?.restore)).toBe(RESTORED.replace("\u001b[2;20r", ""));
  await later.write("\n");
  await later.discardOutput();
  client.close();
});

test("after a gap, the client gets the state behind it, with the start event and with the gap", async () => {
  await startScreen("gap", "head -c 300000 /dev/zero;");
  await untilHead("gap", SCREEN.length + 300_000);
  const client = createClient({ baseUrl: agent.url });
  const remote = await client.attach({ tag: "gap" }, { fromOffset: 0 });
  expect(text(remote.terminal?.restore)).toBe(RESTORED);
  const first = await remote[Symbol.asyncIterator]().next();
  expect(first.value).toMatchObject({ kind: "gap", from: 0 });
  const gap = first.value?.kind === "gap" ? first.value : undefined;
  expect(text(gap?.terminal?.restore)).toBe(RESTORED);
  await remote.write("\n");
  await remote.discardOutput();
  client.close();
});

test("a process on pipes has no terminal", async () => {
  const client = createClient({ baseUrl: agent.url });
  const remote = await client.start({ cmd: "printf", args: ["%b", "\\033[?1049h"] });
  expect(remote.terminal).toBeUndefined();
  await remote.discardOutput();
  client.close();
});

test.each(protocols)("over %s, the state is sent if it is asked for, and only then", async (protocol) => {
  const schema = Process.method.start.output;
  for (const isAsked of [false, true]) {
    const { code, messages } = await callRpc(agent.port, protocol, {
      rpc: "Start",
      body: encodeBody(protocol, "Start", [
        {
          process: { cmd: "true" },
          pty: { size: { cols: 80, rows: 24 } },
          ...(isAsked && { terminal: true }),
        },
      ]),
    });
    const [start = []] = messages.map((message) =>
      protocol === "Connect JSON"
        ? jsonFields(schema, JSON.parse(message.toString()) as object)
        : binaryFields(schema, message),
    );
    expect([code, start.some((field) => field.startsWith("1.1.140"))]).toEqual(["ok", isAsked]);
  }
});
