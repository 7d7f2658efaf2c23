// Questions: how fast do files go up and down, and at what cost, beside nginx and beside Node's own streams? How long does
// a list of 100,000 entries take, and how many events does a watch tell in a second?

import { execFile } from "node:child_process";
import { mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { interleave } from "../rounds.mjs";
import { launch } from "../servers/launch.mjs";
import { holdfastCommand } from "../servers/lineup.mjs";
import { nginxProblem, startNginx } from "../servers/nginx.mjs";
import { scratchPath } from "../servers/scratch.mjs";
import { difference, peakResidentMb, processCpuSeconds } from "../servers/usage.mjs";

const run = promisify(execFile);
const naiveScript = fileURLToPath(new URL("../servers/naive-files.mjs", import.meta.url));

/** @returns {import("./index.mjs").Figure} */
export function filesFigure() {
  return {
    name: "files",
    question: "how fast do files go up and down, and at what cost?",
    references: ["nginx", "naive"],
    metrics: [
      { key: "downMbPerSecond", label: "down MB/s", digits: 0, ratio: true },
      { key: "downCpuPerGb", label: "down server CPU s/GB", digits: 3, ratio: true },
      { key: "upMbPerSecond", label: "up MB/s", digits: 0, ratio: true },
      { key: "upCpuPerGb", label: "up server CPU s/GB", digits: 3, ratio: true },
      { key: "peakMb", label: "peak MB", digits: 0, ratio: true },
    ],
    async measure({ quick, say }) {
      const [rounds, bytes] = quick ? [1, 100_000_000] : [7, 500_000_000];
      const root = scratchPath("files");
      mkdirSync(root, { recursive: true });
      writeFileSync(`${root}/source`, Buffer.alloc(bytes, "some bytes of a file "));
      const holdfast = await launch("holdfast", holdfastCommand());
      const naive = await launch("naive", [process.execPath, naiveScript]);
      const problem = nginxProblem();
      if (problem !== undefined) say(`files: nginx is left out: ${problem}`);
      const nginx = problem === undefined ? await startNginx(root) : undefined;
      const query = (/** @type {string} */ name) => `${holdfast.url}/files?path=${root}/${name}`;
      const subjects = [
        { name: "holdfast", server: holdfast, url: query, method: "POST" },
        ...((nginx && [
          {
            name: "nginx",
            server: nginx,
            url: (/** @type {string} */ name) => `${nginx.url}/${name}`,
            method: "PUT",
          },
        ]) ??
          []),
        {
          name: "naive",
          server: naive,
          url: (/** @type {string} */ name) => `${naive.url}${root}/${name}`,
          method: "PUT",
        },
      ];
      try {
        const samples = await interleave(subjects, rounds, (subject) => transferOnce(subject, root, bytes));
        return { settings: `${rounds} rounds of ${bytes / 1e6} MB each way, by curl`, samples };
      } finally {
        await Promise.all(subjects.map(({ server }) => server.stop()));
        rmSync(root, { recursive: true, force: true });
      }
    },
  };
}

/**
 * @typedef {{ name: string, server: import("../servers/launch.mjs").Server, url: (name: string) => string, method: string }} FileServer
 * @param {FileServer} subject
 * @param {string} root
 * @param {number} bytes
 */
async function transferOnce({ name, server, url, method }, root, bytes) {
  const target = `up-${name}`;
  // A new file each time: nobody overwrites in place.
  rmSync(`${root}/${target}`, { force: true });
  const down = await timed(server, bytes, ["--output", "/dev/null", url("source")]);
  const up = await timed(server, bytes, [
    ...["--request", method, "--upload-file", `${root}/source`, "--output", "/dev/null"],
    ...["--header", "Content-Type: application/octet-stream", "--header", "Expect:", url(target)],
  ]);
  if (statSync(`${root}/${target}`).size !== bytes) throw new Error(`${name} did not store the file`);
  rmSync(`${root}/${target}`);
  return {
    downMbPerSecond: down.mbPerSecond,
    downCpuPerGb: down.cpuPerGb,
    upMbPerSecond: up.mbPerSecond,
    upCpuPerGb: up.cpuPerGb,
    peakMb: peakResidentMb(server),
  };
}

/** @param {import("../servers/launch.mjs").Server} server @param {number} bytes @param {string[]} args */
async function timed(server, bytes, args) {
  const before = processCpuSeconds(server);
  const { stdout } = await run("curl", [
    ...["--silent", "--show-error", "--fail", "--write-out", "%{time_total} %{size_download} %{size_upload}"],
    ...args,
  ]);
  const [seconds = 0, down = 0, up = 0] = stdout.split(" ").map(Number);
  if (Math.max(down, up) < bytes) throw new Error(`${Math.max(down, up)} of ${bytes} bytes were transferred`);
  const cpu = difference(before, processCpuSeconds(server)) ?? 0;
  return { mbPerSecond: bytes / 1e6 / seconds, cpuPerGb: cpu / (bytes / 1e9) };
}

/** @returns {import("./index.mjs").Figure} */
export function fileListFigure() {
  return {
    name: "file-list",
    question: "how long does a list of 100,000 entries take, and how long do others wait meanwhile?",
    references: [],
    metrics: [
      { key: "seconds", label: "s", digits: 2 },
      { key: "longestWaitMs", label: "longest /health ms", digits: 0 },
      { key: "peakMb", label: "peak MB", digits: 0 },
    ],
    async measure({ quick }) {
      const [rounds, entries] = quick ? [1, 10_000] : [5, 100_000];
      const root = scratchPath("list");
      for (let folder = 0; folder < entries / 1000; folder++) {
        mkdirSync(`${root}/${folder}`, { recursive: true });
        for (let file = 1; file < 1000; file++) writeFileSync(`${root}/${folder}/file-${file}`, "");
      }
      const samples = await interleave([{ name: "holdfast" }], rounds, () => listOnce(root, entries));
      rmSync(root, { recursive: true, force: true });
      return { settings: `${rounds} rounds of ${entries} entries, JSON`, samples };
    },
  };
}

/** @param {string} path @param {number} entries */
async function listOnce(path, entries) {
  const server = await launch("holdfast", holdfastCommand());
  const call = (/** @type {object} */ body) =>
    run("curl", [
      ...["--silent", "--fail", "--header", "Content-Type: application/json", "--data", JSON.stringify(body)],
      ...["--output", "/dev/null", "--write-out", "%{time_total} %{size_download}"],
      `${server.url}/filesystem.Filesystem/ListDir`,
    ]);
  await call({ path });
  let isDone = false;
  let longestWaitMs = 0;
  const listing = call({ path, depth: 2 }).finally(() => {
    isDone = true;
  });
  while (!isDone) {
    const startedMs = performance.now();
    await (await fetch(`${server.url}/health`)).arrayBuffer();
    longestWaitMs = Math.max(longestWaitMs, performance.now() - startedMs);
  }
  const [seconds = 0, bytes = 0] = (await listing).stdout.split(" ").map(Number);
  if (bytes < entries * 100) throw new Error(`the list has only ${bytes} bytes`);
  const peakMb = peakResidentMb(server);
  await server.stop();
  return { seconds, longestWaitMs, peakMb };
}

/** @returns {import("./index.mjs").Figure} */
export function watchFigure() {
  return {
    name: "watch",
    question: "how many events does a watch tell in a second, and in how much memory?",
    references: [],
    metrics: [
      { key: "eventsPerSecond", label: "events/s", digits: 0 },
      { key: "toldPercent", label: "told %", digits: 0 },
      { key: "cpuPerMillion", label: "server CPU s/million", digits: 2 },
      { key: "peakMb", label: "peak MB", digits: 0 },
    ],
    async measure({ quick }) {
      const [rounds, files] = quick ? [1, 5_000] : [5, 50_000];
      const samples = await interleave([{ name: "holdfast" }], rounds, () => watchOnce(files));
      return { settings: `${rounds} rounds; ${files} files are made and removed: two events each`, samples };
    },
  };
}

/** @param {number} files */
async function watchOnce(files) {
  const server = await launch("holdfast", holdfastCommand());
  const path = scratchPath("watched");
  mkdirSync(path, { recursive: true });
  const call = async (/** @type {string} */ method, /** @type {object} */ body) => {
    const response = await fetch(`${server.url}/filesystem.Filesystem/${method}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method}: ${await response.text()}`);
    return await response.json();
  };
  const { watcherId } = await call("CreateWatcher", { path });
  const before = processCpuSeconds(server) ?? 0;
  const startedMs = performance.now();
  const python = `import os
os.chdir(${JSON.stringify(path)})
for i in range(${files}):
    os.close(os.open(f"f{i}", os.O_CREAT | os.O_WRONLY)); os.unlink(f"f{i}")`;
  const changing = run("python3", ["-c", python]);
  let told = 0;
  let isDone = false;
  changing.finally(() => {
    isDone = true;
  });
  for (;;) {
    const wasDone = isDone;
    const { events = [] } = await call("GetWatcherEvents", { watcherId });
    told += events.length;
    if (wasDone && events.length === 0) break;
  }
  await changing;
  const seconds = (performance.now() - startedMs) / 1000;
  const cpu = difference(before, processCpuSeconds(server)) ?? 0;
  const peakMb = peakResidentMb(server);
  await server.stop();
  // The queue holds 1 MiB: a client that polls too slowly is told that events are missing.
  const toldPercent = (100 * told) / (2 * files);
  return { eventsPerSecond: told / seconds, toldPercent, cpuPerMillion: (cpu / told) * 1e6, peakMb };
}
