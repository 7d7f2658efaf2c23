// Watches of directories through upgrades: same ids, same offsets, no event lost, and the streams of WatchDir continue.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { expect, test, vi } from "vitest";
import { Filesystem } from "../../src/gen/filesystem_pb.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { requestUpgrade, upgrade, upgradeStatus, versionThat } from "../support/agent/upgrade.ts";
import { openConnection } from "../support/clients/raw-http.ts";
import { openWatch, textOf } from "../support/clients/watch-stream.ts";
import { eventually } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { volume } from "../support/volume.ts";

vi.setConfig({ testTimeout: volume(60_000, 600_000) });

const jsonTransport = (baseUrl: string): Transport =>
  createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false });

function clientOf(agent: RunningAgent, open = jsonTransport): Client<typeof Filesystem> {
  return createClient(Filesystem, open(agent.url));
}

/** Makes a file, and resolves with all events up to its own. */
async function pollAll(
  client: Client<typeof Filesystem>,
  watcherId: string,
  folder: string,
): Promise<string[]> {
  writeFileSync(join(folder, "end"), "");
  const names: string[] = [];
  await eventually(
    "the last event",
    async () => {
      const { events } = await client.getWatcherEvents({ watcherId });
      names.push(...events.map(textOf));
      return names.includes("CREATE end");
    },
    () => names.join(),
  );
  rmSync(join(folder, "end"));
  return names;
}

function inotifyDescriptors(pid: number): number {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return "closed meanwhile";
    }
  });
  return links.filter((link) => link === "anon_inode:inotify").length;
}

test("a watch has the same id and number of events after an upgrade, and reports what happened before, during and after", async () => {
  const agent = await startAgent();
  const client = clientOf(agent);
  const folder = createTempFolder();
  mkdirSync(join(folder, "sub"));
  const { watcherId } = await client.createWatcher({ path: folder, recursive: true, includeEntry: true });
  writeFileSync(join(folder, "before"), "");
  const first = await client.getWatcherEvents({ watcherId, fromOffset: 0n });
  expect(first.events.map(textOf)).toEqual(["CREATE before"]);
  // Nobody has read these.
  writeFileSync(join(folder, "sub/unread"), "");
  // Another program writes in the pause also; not more than the queue holds.
  const script =
    "n=0; while [ $n -lt 250 ]; do mkdir made-$n; : > made-$n/file; n=$((n + 1)); sleep 0.01; done";
  const writer = spawn("sh", ["-c", script], { cwd: join(folder, "sub"), stdio: "ignore" });
  const written = once(writer, "exit");
  await upgrade(agent);
  await upgrade(agent);
  await written;
  writeFileSync(join(folder, "sub/end"), "");
  const seen: string[] = [];
  let offset = first.nextOffset ?? 0n;
  await eventually(
    "the last event",
    async () => {
      const { events, nextOffset } = await client.getWatcherEvents({ watcherId, fromOffset: offset });
      expect(events.map((event) => event.offset)).toEqual(events.map((_, index) => offset + BigInt(index)));
      expect(events.every(({ rescan }) => !rescan)).toBe(true);
      for (const event of events.filter((one) => textOf(one).startsWith("CREATE")))
        expect(event.entry?.path).toBe(join(folder, event.name));
      seen.push(...events.map(textOf));
      offset = nextOffset ?? 0n;
      return seen.includes("CREATE sub/end");
    },
    () => seen.slice(-20).join(),
  );
  const created = seen.filter((text) => text.startsWith("CREATE"));
  const made = Array.from({ length: 250 }, (_, n) => [`CREATE sub/made-${n}`, `CREATE sub/made-${n}/file`]);
  expect([...created].sort()).toEqual(["CREATE sub/unread", "CREATE sub/end", ...made.flat()].sort());
  expect(inotifyDescriptors(agent.pid)).toBe(1);
  await client.removeWatcher({ watcherId });
  expect(inotifyDescriptors(agent.pid)).toBe(0);
});

test.each([
  ["Connect, JSON", jsonTransport],
  [
    "Connect, binary",
    (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
  ],
  [
    "gRPC-web",
    (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
  ],
] as const)(
  "a WatchDir stream over HTTP/1.1 (%s) continues on its connection through upgrades",
  async (_, open) => {
    const agent = await startAgent();
    const client = clientOf(agent, open);
    const folder = createTempFolder();
    const watch = await openWatch(
      client,
      { path: folder, recursive: true },
      { "Keepalive-Ping-Interval": "1" },
    );
    const resumable = await openWatch(client, { path: folder, fromOffset: 0n });
    const expected: string[] = [];
    for (let count = 0; count < volume(3, 20); count++) {
      writeFileSync(join(folder, `file-${count}`), "");
      expected.push(`CREATE file-${count}`);
      await upgrade(agent);
      mkdirSync(join(folder, `folder-${count}`));
      expected.push(`CREATE folder-${count}`);
      const all = expected.length;
      await Promise.all([watch, resumable].map((one) => one.until((names) => names.length === all)));
      const keepalives = watch.keepalives();
      await eventually(
        "a keepalive",
        () => watch.keepalives() > keepalives,
        () => `${watch.keepalives()}`,
      );
    }
    expect(watch.names()).toEqual(expected);
    expect(resumable.names()).toEqual(expected);
    expect(resumable.events.map(({ offset }) => offset)).toEqual(expected.map((_, index) => BigInt(index)));
    // Its end arrives in the format of its protocol.
    await client.removeWatcher({ watcherId: resumable.watcherId });
    expect(await resumable.ended()).toMatchObject({ rawMessage: "the watch was removed" });
    // The other one has no id that a client knows: it ends with its stream.
    watch.leave();
    await eventually("the instance is closed", () => inotifyDescriptors(agent.pid) === 0, agent.stderr);
  },
);

test("a WatchDir stream continues in the middle of a message that its slow client has not accepted", async () => {
  const agent = await startAgent();
  const folder = createTempFolder();
  const connection = await openConnection(agent.port);
  const message = JSON.stringify({ path: folder });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(Buffer.byteLength(message), 1);
  const body = Buffer.concat([head, Buffer.from(message)]);
  connection.send(
    `POST /filesystem.Filesystem/WatchDir HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/connect+json\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  connection.send(body);
  await connection.until("the start event", (bytes) => (bytes.includes('"start"') ? true : undefined));
  connection.socket.pause();
  // Long names fill the buffers of the connection.
  const files = 16_000;
  const nameOf = (n: number) => `${String(n).padStart(6, "0")}${"x".repeat(200)}`;
  for (let n = 0; n < files; n++) {
    writeFileSync(join(folder, nameOf(n)), "");
    if (n % 200 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await upgrade(agent);
  await upgrade(agent);
  connection.socket.resume();
  // While its queue is full, an event that was lost stands for all later ones.
  let last = 0;
  const writing = setInterval(() => writeFileSync(join(folder, `last-${last++}`), ""), 100);
  await connection
    .until("the last event", (bytes) => (bytes.includes('"last-') ? true : undefined))
    .finally(() => clearInterval(writing));
  const names = namesIn(connection.received());
  const rescans = names.filter((name) => name === ".").length;
  // Its queue holds a megabyte: what did not fit is told.
  const numbers = names.filter((name) => name.length > 100).map((name) => Number(name.slice(0, 6)));
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  expect(new Set(numbers).size).toBe(numbers.length);
  if (rescans === 0) expect(numbers).toHaveLength(files);
  expect(numbers.length).toBeGreaterThan(1000);
  connection.cut();
});

/** The names of the events in a chunked response of enveloped JSON. Throws if a byte is missing or repeated. */
function namesIn(response: Buffer): string[] {
  const chunks: Buffer[] = [];
  let at = response.indexOf("\r\n\r\n") + 4;
  while (at < response.length) {
    const end = response.indexOf("\r\n", at);
    if (end < 0) break;
    const length = Number.parseInt(response.toString("latin1", at, end), 16);
    if (!Number.isInteger(length)) throw new Error(`no chunk at ${at}`);
    chunks.push(response.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
  const body = Buffer.concat(chunks);
  const names: string[] = [];
  for (let from = 0; from + 5 <= body.length; ) {
    const length = body.readUInt32BE(from + 1);
    if (from + 5 + length > body.length) break;
    const { filesystem } = JSON.parse(body.toString("utf8", from + 5, from + 5 + length)) as {
      readonly filesystem?: { readonly name: string };
    };
    if (filesystem !== undefined) names.push(filesystem.name);
    from += 5 + length;
  }
  return names;
}

test("a watch whose directory is gone waits for its return, in the next image also", async () => {
  const agent = await startAgent();
  const client = clientOf(agent);
  const above = createTempFolder();
  const folder = join(above, "one/two");
  mkdirSync(folder, { recursive: true });
  const { watcherId } = await client.createWatcher({ path: folder, recursive: true });
  rmSync(join(above, "one"), { recursive: true });
  await eventually(
    "the directory is gone",
    async () =>
      (await client.getWatcherEvents({ watcherId, fromOffset: 0n })).events.map(textOf).includes("REMOVE ."),
    agent.stderr,
  );
  await upgrade(agent);
  mkdirSync(folder, { recursive: true });
  expect(await pollAll(client, watcherId, folder)).toContain("CREATE .");
});

test("directories keep their place in a tree that moved before the upgrade, and what is removed is forgotten", async () => {
  const agent = await startAgent();
  const client = clientOf(agent);
  const folder = createTempFolder();
  mkdirSync(join(folder, "a/b/c"), { recursive: true });
  mkdirSync(join(folder, "gone/deep"), { recursive: true });
  const { watcherId } = await client.createWatcher({ path: folder, recursive: true, exclude: ["excluded"] });
  renameSync(join(folder, "a"), join(folder, "moved"));
  rmSync(join(folder, "gone"), { recursive: true });
  await pollAll(client, watcherId, folder);
  await upgrade(agent);
  writeFileSync(join(folder, "moved/b/c/file"), "");
  mkdirSync(join(folder, "excluded"));
  writeFileSync(join(folder, "excluded/file"), "");
  renameSync(join(folder, "moved/b"), join(folder, "b"));
  writeFileSync(join(folder, "b/c/other"), "");
  const names = await pollAll(client, watcherId, folder);
  expect(names.filter((name) => !name.endsWith(" end"))).toEqual([
    "CREATE moved/b/c/file",
    "RENAME moved/b",
    "CREATE b",
    "CREATE b/c/other",
  ]);
});

test("a watch continues after a version that gave the agent back", async () => {
  const agent = await startAgent();
  const client = clientOf(agent);
  const folder = createTempFolder();
  const { watcherId } = await client.createWatcher({ path: folder });
  const watch = await openWatch(client, { path: folder });
  writeFileSync(join(folder, "before"), "");
  const to = versionThat(
    'require("node:net").Server.prototype.listen = () => { throw new Error("made to fail"); };',
  );
  expect((await requestUpgrade(agent.url, JSON.stringify({ to }))).status).toBe(202);
  await eventually(
    "given back",
    async () => (await upgradeStatus(agent.url)).failure !== undefined,
    agent.stderr,
  );
  writeFileSync(join(folder, "after"), "");
  await watch.until((names) => names.includes("CREATE after"));
  expect(watch.names()).toEqual(["CREATE before", "CREATE after"]);
  expect(await pollAll(client, watcherId, folder)).toEqual(["CREATE before", "CREATE after", "CREATE end"]);
});

test("a watch that nobody reads expires at its time, however often the agent is upgraded", async () => {
  const retainMs = 4_000;
  const agent = await startAgent({ args: ["--retain-watchers", `${retainMs}ms`] });
  await clientOf(agent).createWatcher({ path: createTempFolder() });
  const createdAtMs = performance.now();
  while (performance.now() - createdAtMs < retainMs) await upgrade(agent);
  const isRemoved = () => inotifyDescriptors(agent.pid) === 0;
  await eventually("it is removed", isRemoved, agent.stderr, retainMs / 4);
});

test("a watch expires after an upgrade when nobody reads it", async () => {
  const agent = await startAgent({ args: ["--retain-watchers", "1s"] });
  const client = clientOf(agent);
  const { watcherId } = await client.createWatcher({ path: createTempFolder() });
  await upgrade(agent);
  await eventually("it is removed", () => inotifyDescriptors(agent.pid) === 0, agent.stderr);
  await expect(client.getWatcherEvents({ watcherId })).rejects.toMatchObject({
    rawMessage: expect.stringMatching(/no watcher/),
  });
});
