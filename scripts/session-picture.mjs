// @ts-check Draws docs/session.svg: a terminal session in which the network is cut while a command
// runs. The session is real: an agent, `holdfast run` on a terminal, and a TCP proxy between them
// that stops for three seconds. Run after `npm run build`:
//   node scripts/session-picture.mjs

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const { createClient } = await import(new URL("../dist/client/index.js", import.meta.url).href);

const cliPath = new URL("../dist/cli/main.cjs", import.meta.url).pathname;
const pagePath = new URL("../docs/session.svg", import.meta.url).pathname;
const STEPS = 6;
const CUT_AFTER_STEP = 2;
const CUT_MS = 3_000;
const COMMAND = `holdfast run -- sh -c 'for i in $(seq ${STEPS}); do echo "$(date +%T) step $i"; sleep 1; done'`;

const folder = mkdtempSync(join(tmpdir(), "holdfast-picture-"));
const agent = spawn(process.execPath, [cliPath, "serve", "--port", "0"], {
  stdio: ["ignore", "pipe", "ignore"],
});
try {
  const [line] = await once(agent.stdout.setEncoding("utf8"), "data");
  const agentUrl = new URL(String(line).trim().split(" ").at(-1) ?? "");
  writeFileSync(pagePath, draw(await record(agentUrl)));
} finally {
  agent.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
}

/** @typedef {{ text: string, isNotice: boolean, atMs: number }} Line */

/**
 * @param {URL} agentUrl
 * @returns {Promise<{ lines: Line[], cutAtMs: number, backAtMs: number }>}
 */
async function record(agentUrl) {
  const holdfast = join(folder, "holdfast");
  writeFileSync(holdfast, `#!/bin/sh\nexec '${process.execPath}' '${cliPath}' "$@"\n`);
  chmodSync(holdfast, 0o755);
  const network = await startNetwork(Number(agentUrl.port));
  // The terminal is one of the same agent's, which the network does not concern.
  const client = createClient({ baseUrl: agentUrl.origin });
  const terminal = await client.start({
    cmd: "bash",
    args: ["--norc", "--noprofile"],
    env: { PATH: `${folder}:${process.env["PATH"]}`, PS1: "$ ", HOLDFAST_URL: network.url },
    pty: { cols: 110, rows: 24 },
  });
  /** @type {Line[]} */
  const lines = [];
  let startedAtMs = 0;
  let cutAtMs = 0;
  let backAtMs = 0;
  let rest = "";
  let hasAsked = false;
  await terminal.write(`${COMMAND}\n`);
  for await (const event of terminal) {
    if (event.kind !== "pty") continue;
    rest += new TextDecoder().decode(event.data);
    const complete = rest.split("\n");
    rest = complete.pop() ?? "";
    for (const shown of complete) {
      startedAtMs ||= performance.now();
      const text = plain(shown);
      if (text === "" || /^(\$ )?exit$/.test(text)) continue;
      lines.push({ text, isNotice: text.startsWith("holdfast: "), atMs: performance.now() - startedAtMs });
      if (text.endsWith(` step ${CUT_AFTER_STEP}`)) {
        cutAtMs = performance.now() - startedAtMs;
        await network.cut();
        void sleep(CUT_MS).then(async () => {
          await network.mend();
          backAtMs = performance.now() - startedAtMs;
        });
      }
    }
    // The prompt is back: earlier input belongs to the command.
    if (plain(rest) === "$" && !hasAsked && lines.some(({ text }) => text.endsWith(` step ${STEPS}`))) {
      hasAsked = true;
      await terminal.write('echo "exit status $?"\nexit\n');
    }
  }
  client.close();
  await network.cut();
  return { lines, cutAtMs, backAtMs };
}

/**
 * Without colours and carriage returns.
 * @param {string} shown
 */
function plain(shown) {
  const sequence = new RegExp(`${String.fromCharCode(27)}\\[[?\\d;]*[A-Za-z]`, "g");
  return shown.replace(sequence, "").replaceAll("\r", "").trimEnd();
}

/** @param {number} port */
async function startNetwork(port) {
  /** @type {Set<import("node:net").Socket>} */
  const sockets = new Set();
  const accept = (/** @type {import("node:net").Socket} */ near) => {
    const far = connect(port, "127.0.0.1");
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ]) {
      if (socket === undefined || other === undefined) continue;
      sockets.add(socket);
      socket.pipe(other);
      socket.on("error", () => other.destroy()).on("close", () => sockets.delete(socket));
    }
  };
  const server = createServer(accept).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    async cut() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.resetAndDestroy();
      await closed;
    },
    async mend() {
      server.listen(address.port, "127.0.0.1");
      await once(server, "listening");
    },
  };
}

/** @param {Awaited<ReturnType<typeof record>>} session */
function draw({ lines, cutAtMs, backAtMs }) {
  const width = 940;
  const lineHeight = 22;
  const top = 58;
  const gutter = 78;
  const height = top + lines.length * lineHeight + 22;
  const seconds = (/** @type {number} */ ms) => `${(ms / 1000).toFixed(1)} s`;
  const rows = lines.map(({ text, isNotice, atMs }, index) => {
    const y = Math.round(top + (index + 0.7) * lineHeight);
    const isCommand = text.startsWith("$ ");
    const color = isNotice ? "#e3b341" : isCommand ? "#ffffff" : "#c9d1d9";
    const weight = isCommand ? ' font-weight="bold"' : "";
    return [
      `<text x="16" y="${y}" fill="#6e7681">${isCommand ? "" : seconds(atMs).padStart(6)}</text>`,
      `<text x="${gutter}" y="${y}" fill="${color}"${weight}>${escaped(text)}</text>`,
    ].join("\n");
  });
  const first = lines.findIndex(({ isNotice }) => isNotice);
  const last = lines.findLastIndex(({ isNotice }) => isNotice);
  const [from, to] = [top + first * lineHeight, top + (last + 1) * lineHeight];
  const note = `no network for ${seconds(backAtMs - cutAtMs)}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" xml:space="preserve" role="img">
<title>A command keeps its output while the network is cut</title>
<desc>Made by scripts/session-picture.mjs from a real session. ${escaped(lines.map(({ text }) => text).join("; "))}</desc>
<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>
<circle cx="22" cy="20" r="6" fill="#ff5f57"/>
<circle cx="42" cy="20" r="6" fill="#febc2e"/>
<circle cx="62" cy="20" r="6" fill="#28c840"/>
<text x="16" y="48" fill="#6e7681" font-size="12">received</text>
<rect x="${gutter - 8}" y="${from}" width="${width - gutter - 8}" height="${to - from}" fill="#bb8009" fill-opacity="0.15"/>
<text x="${width - 24}" y="${(from + to) / 2 + 5}" fill="#e3b341" text-anchor="end">${note}</text>
${rows.join("\n")}
</svg>
`;
}

/** @param {string} text */
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
