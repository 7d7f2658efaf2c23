// The states that released versions wrote: this version can continue with each of them. `UPDATE_STATES=1` writes the one
// of the present version, which a release does once.
//
// If the shape of the state changed: a new field that an older version may ignore needs only a new
// file. If an older version must not ignore it, name it in `needs`. If it would misread the state,
// raise `format` (src/handover/agent-state.ts).

import { spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createClient as createRpcClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect, test, vi } from "vitest";
import { Filesystem } from "../../src/gen/filesystem_pb.ts";
import { cliPath, startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { requestUpgrade, untilHeld, versionThat } from "../support/agent/upgrade.ts";
import { receive } from "../support/clients/received-events.ts";
import { openWatch } from "../support/clients/watch-stream.ts";
import { eventually, stateOf } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";

vi.setConfig({ testTimeout: 90_000 });

const folder = join(import.meta.dirname, "states");
const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8")) as {
  version: string;
};
const PREFIX_BYTES = 16;

interface SavedState {
  readonly header: Readonly<Record<string, unknown>>;
  /** What follows the header, in base64. */
  readonly numbers: string;
}

/** An agent with something of every kind. Resolves with the state that it gives to a rehearsal. */
async function presentState(): Promise<SavedState> {
  const agent = await startAgent({ args: ["--drain-timeout", "60s", "--retain-ended", "60s"] });
  const client = plainClient(agent.url);
  const sh = (script: string) => ({ cmd: "sh", args: ["-c", script] });
  await fetch(`${agent.url}/init`, {
    method: "POST",
    body: JSON.stringify({
      envVars: { A: "1" },
      defaultWorkdir: "/",
      lifecycleID: "life",
      timestamp: "2026-01-01T00:00:00Z",
    }),
  });
  const short = "for i in $(seq 100); do echo out; echo err >&2; done";
  const all = { offsets: true, times: true, terminal: true, notices: true, sizes: true };
  const pipes = receive(
    client.start(
      {
        ...all,
        process: { ...sh(`${short}; cat`), envs: { B: "2" }, cwd: "/tmp" },
        stdin: true,
        tag: "pipes",
        startId: "one",
        output: { detached: 2, replayBytes: 100_000n },
      },
      { timeoutMs: 600_000 },
    ),
  );
  const pid = await pipes.started();
  await pipes.until(() => pipes.text("stderr").split("\n").length > 100);
  await client.sendInput({
    process: { selector: { case: "tag", value: "pipes" } },
    input: { input: { case: "stdin", value: Buffer.from("x") } },
    offset: 0n,
    writer: "w",
  });
  process.kill(-pid, "SIGSTOP");
  client
    .sendInput({
      process: { selector: { case: "pid", value: pid } },
      input: { input: { case: "stdin", value: Buffer.alloc(300_000) } },
    })
    .catch(() => undefined);
  await untilHeld(agent, 300_000);
  const terminal = receive(
    client.start({
      ...all,
      process: sh("printf '\\033[?1049h\\033[?25l\\033]0;title\\007'; sleep 1000"),
      pty: { size: { cols: 80, rows: 24 } },
    }),
  );
  const onTerminal = await terminal.started();
  await client.update({
    process: { selector: { case: "pid", value: onTerminal } },
    pty: { size: { cols: 90, rows: 30 } },
  });
  await terminal.until(() => terminal.bytes("pty").length > 5);
  await receive(client.start({ process: sh("echo bye; exit 3"), tag: "ended", startId: "two" })).ended();
  await receive(client.start({ process: { cmd: "true" }, forgetDelivered: true, tag: "forgotten" })).ended();
  const draining = receive(client.start({ process: sh("sleep 1000 & echo here; exit 4") }));
  const drained = await draining.started();
  await eventually("reaped", () => stateOf(drained) === undefined, agent.stderr);
  const upload = await fetch(
    `${agent.url}/files?path=${createTempFolder()}/file&upload_id=upload-of-the-test`,
    {
      method: "POST",
      headers: { "Upload-Complete": "?0" },
      body: Buffer.alloc(100_000, "u"),
    },
  );
  expect(upload.status).toBe(201);
  const files = createRpcClient(
    Filesystem,
    createConnectTransport({ baseUrl: agent.url, httpVersion: "1.1", useBinaryFormat: false }),
  );
  const watched = createTempFolder();
  mkdirSync(join(watched, "folder"));
  const watch = await files.createWatcher({ path: watched, recursive: true, includeEntry: true });
  writeFileSync(join(watched, "folder/file"), "");
  await openWatch(files, { path: watched });
  await eventually(
    "an event waits",
    async () =>
      (await files.getWatcherEvents({ watcherId: watch.watcherId, fromOffset: 0n })).events.length > 0,
    agent.stderr,
  );
  const file = join(createTempFolder(), "state");
  const copies = `require("node:fs").copyFileSync("/proc/self/fd/0", ${JSON.stringify(file)}); process.exit(9);`;
  const answer = await requestUpgrade(
    agent.url,
    JSON.stringify({ to: versionThat(copies, { inRehearsal: true }) }),
  );
  expect(answer.status).toBe(409);
  const bytes = readFileSync(file);
  const end = PREFIX_BYTES + Number(bytes.readBigUInt64LE(8));
  process.kill(-pid, "SIGCONT");
  const header = JSON.parse(bytes.toString("utf8", PREFIX_BYTES, end)) as Record<string, unknown>;
  return {
    // Without the paths of this machine.
    header: { ...header, previous: { path: "/usr/bin/node", argv: ["node", "holdfast", "serve"] } },
    numbers: bytes.subarray(end).toString("base64"),
  };
}

/** The names and kinds of values, without the values. Of an array, those of all its elements together. */
function shapeOf(value: unknown, name = ""): unknown {
  if (["environment", "refusals", "metadata"].includes(name)) return "a record of clients";
  if (Array.isArray(value)) return value.map((item) => shapeOf(item)).reduce(merged, "empty");
  if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
  const entries = Object.entries(value)
    // Whether small pieces of output came together depends on the moment.
    .filter(([key]) => key !== "pieces")
    .map(([key, item]) => [key, shapeOf(item, key)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function merged(one: unknown, other: unknown): unknown {
  if (typeof one !== "object" || one === null || typeof other !== "object" || other === null)
    return one === "empty" ? other : one;
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])].sort();
  const at = (from: object, key: string): unknown => Reflect.get(from, key) ?? "empty";
  return Object.fromEntries(keys.map((key) => [key, merged(at(one, key), at(other, key))]));
}

function readSaved(name: string): SavedState {
  return JSON.parse(readFileSync(join(folder, name), "utf8")) as SavedState;
}

test("the state that this version saves has the shape of the stored state of its release", async () => {
  const present = await presentState();
  const file = `${version}.json`;
  if (process.env["UPDATE_STATES"] === "1" || !existsSync(join(folder, file)))
    writeFileSync(join(folder, file), `${JSON.stringify(present, undefined, 1)}\n`);
  expect(shapeOf(present.header)).toEqual(shapeOf(readSaved(file).header));
});

test.each(readdirSync(folder))("this version can continue with the state %s", async (name) => {
  const { header, numbers } = readSaved(name);
  const text = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.write("holdfast");
  prefix.writeBigUInt64LE(BigInt(text.length), 8);
  const file = join(createTempFolder(), "state");
  writeFileSync(file, Buffer.concat([prefix, text, Buffer.from(numbers, "base64")]));
  const fd = openSync(file, "r");
  const child = spawn(process.execPath, [cliPath, "serve", "--port", "0", "--rehearse"], {
    stdio: [fd, "pipe", "pipe"],
  });
  closeSync(fd);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (data) => (output += data));
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect(code, output).toBe(0);
  expect(output).toContain('"rehearsed":true');
});
