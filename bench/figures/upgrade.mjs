// Question: how long is nothing read and nothing answered while the agent becomes its next version?
//
// A process writes a byte every 2 ms, and a client reads it over HTTP/1.1. Another client asks for /health again and again.
// The pause is the longest time without a byte, and the longest answer. The next version is the same one. `held-N` holds N
// MiB of output that nobody has read. `rollback`: the next version fails after the exec, so the agent becomes itself again.

import { chmodSync, writeFileSync } from "node:fs";
import { openHttp1 } from "../clients/http1.mjs";
import { startSession } from "../clients/session.mjs";
import { interleave } from "../rounds.mjs";
import { launch } from "../servers/launch.mjs";
import { holdfastCommand } from "../servers/lineup.mjs";
import { scratchPath } from "../servers/scratch.mjs";

const MIB = 2 ** 20;
const TICK_MS = 2;
/** Before and after an upgrade, so that a longest time is known. */
const AROUND_MS = 200;
const DEADLINE_MS = 60_000;

const flags = ["--memory-budget", "512MiB", "--detached", "buffer", "--detached-buffer", "128MiB"];

/** @returns {import("./index.mjs").Figure} */
export function upgradeFigure() {
  return {
    name: "upgrade",
    question: "how long does an upgrade stop a stream and an answer?",
    references: ["holdfast"],
    metrics: [
      { key: "pauseMs", label: "stream pause ms", digits: 0 },
      { key: "healthMs", label: "longest /health ms", digits: 0 },
      { key: "servedMs", label: "agent's own pause ms", digits: 0 },
    ],
    async measure({ quick }) {
      const rounds = quick ? 3 : 20;
      const subjects = [
        { name: "holdfast", heldMiB: 0, to: undefined },
        { name: "held-16", heldMiB: 16, to: undefined },
        { name: "held-64", heldMiB: 64, to: undefined },
        { name: "rollback", heldMiB: 0, to: failingVersion() },
      ];
      const running = await Promise.all(subjects.map(startSubject));
      const samples = await interleave(running, rounds, upgradeOnce);
      for (const { server } of running) await server.stop();
      return { settings: `${rounds} upgrades each, a tick every ${TICK_MS} ms`, samples };
    },
  };
}

/** A next version that is refused by nothing, and fails after the exec. */
function failingVersion() {
  const path = scratchPath("next.cjs");
  const [, main] = holdfastCommand();
  const fail = 'require("node:net").Server.prototype.listen = () => { throw new Error("made to fail"); };';
  writeFileSync(
    path,
    `#!/usr/bin/env node\nif (!process.argv.includes("--rehearse")) { ${fail} }\nrequire(${JSON.stringify(main)});\n`,
  );
  chmodSync(path, 0o755);
  return path;
}

/**
 * @typedef {object} Subject
 * @property {string} name
 * @property {string | undefined} to  what it upgrades to
 * @property {import("../servers/launch.mjs").Server} server
 * @property {{ lastMs: number, longestMs: number }} ticks
 */

/** @param {{ name: string, heldMiB: number, to: string | undefined }} subject @returns {Promise<Subject>} */
async function startSubject({ name, heldMiB, to }) {
  const server = await launch(name, [...holdfastCommand(), ...flags]);
  for (let held = 0; held < heldMiB; held += 16) await hold(server.url, 16 * MIB);
  await until(
    `${heldMiB} MiB are held`,
    async () => (await metric(server.url, "holdfast_held_bytes")) >= heldMiB * MIB,
  );
  const ticks = { lastMs: performance.now(), longestMs: 0 };
  const reader = openHttp1(server.url);
  await reader.ready();
  const ticker = `setInterval(() => process.stdout.write("x"), ${TICK_MS})`;
  const { ended } = await startSession(reader, { argv: [process.execPath, "-e", ticker] }, () => {
    const nowMs = performance.now();
    ticks.longestMs = Math.max(ticks.longestMs, nowMs - ticks.lastMs);
    ticks.lastMs = nowMs;
  });
  ended.catch(() => undefined);
  return { name, to, server, ticks };
}

/** A process whose output nobody reads. @param {string} url @param {number} bytes */
async function hold(url, bytes) {
  const process = { cmd: "sh", args: ["-c", `head -c ${bytes} /dev/urandom; sleep 1000`] };
  const message = Buffer.from(JSON.stringify({ process }));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const leave = new AbortController();
  const response = await fetch(`${url}/process.Process/Start`, {
    method: "POST",
    headers: { "Content-Type": "application/connect+json" },
    body: Buffer.concat([head, message]),
    signal: leave.signal,
  });
  if (response.status !== 200) throw new Error(`Start was answered with ${response.status}`);
  leave.abort();
}

/** @param {Subject} subject */
async function upgradeOnce({ server: { url, stderr }, to, ticks }) {
  const before = await status(url);
  let isOver = false;
  let healthMs = 0;
  const asking = (async () => {
    while (!isOver) {
      const askedMs = performance.now();
      const response = await fetch(`${url}/health`);
      await response.arrayBuffer();
      healthMs = Math.max(healthMs, performance.now() - askedMs);
    }
  })();
  await pause(AROUND_MS);
  ticks.longestMs = 0;
  const body = to === undefined ? "" : JSON.stringify({ to });
  const answer = await fetch(`${url}/upgrade`, { method: "POST", body });
  if (answer.status !== 202) throw new Error(`${answer.status}: ${await answer.text()}`);
  // During the rehearsal the agent only has less of the processor: that is not a pause.
  ticks.longestMs = 0;
  healthMs = 0;
  await until("the end of the upgrade", async () => {
    const { upgrades, isUnderWay, failure } = await status(url);
    if (to !== undefined) return !isUnderWay && failure !== undefined;
    if (failure !== undefined) throw new Error(failure.message);
    return upgrades > before.upgrades;
  });
  await pause(AROUND_MS);
  isOver = true;
  await asking;
  const told = [...stderr().matchAll(/"pauseMs":(\d+)/g)].at(-1)?.[1];
  return { pauseMs: ticks.longestMs, healthMs, servedMs: told === undefined ? undefined : Number(told) };
}

/** @param {string} url @returns {Promise<{ upgrades: number, isUnderWay: boolean, failure?: { message: string } }>} */
async function status(url) {
  return (await fetch(`${url}/upgrade`)).json();
}

/** @param {string} url @param {string} name */
async function metric(url, name) {
  const text = await (await fetch(`${url}/metrics/prometheus`)).text();
  return Number(new RegExp(`^${name} (\\d+)`, "m").exec(text)?.[1]);
}

/** @param {string} what @param {() => Promise<boolean>} look */
async function until(what, look) {
  const endsMs = performance.now() + DEADLINE_MS;
  while (!(await look())) {
    if (performance.now() > endsMs) throw new Error(`not within ${DEADLINE_MS / 1000} s: ${what}`);
    await pause(5);
  }
}

/** @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
