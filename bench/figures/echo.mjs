// Question: how long does a keystroke take to a terminal and back, alone and while another process
// floods?
//
// A line break is sent through SendInput to `cat >/dev/null` on a terminal, whose line discipline
// echoes it. The time ends when the echo arrives on the process's own stream. A separate process
// reads the flood, so on two cores four processes compete.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { openHttp1 } from "../clients/http1.mjs";
import { sendInput, startSession } from "../clients/session.mjs";
import { percentile } from "../report.mjs";
import { interleave } from "../rounds.mjs";

const floodClient = fileURLToPath(new URL("../clients/flood.mjs", import.meta.url));

/** @returns {import("./index.mjs").Figure} */
export function echoFigure() {
  return {
    name: "echo",
    question: "how long does a keystroke's echo take, idle and while another process floods?",
    references: ["idle"],
    metrics: [
      { key: "p50Ms", label: "p50 ms", digits: 2, ratio: true },
      { key: "p99Ms", label: "p99 ms", digits: 2, ratio: true },
    ],
    async measure({ quick, lineup }) {
      const [rounds, keystrokes] = quick ? [2, 100] : [5, 400];
      const wanted = ["idle", "flooded"].map((as) => ({ server: "holdfast", as }));
      const samples = await lineup.withSubjects(wanted, { http: "http1", codec: "binary" }, (subjects) =>
        interleave(subjects, rounds, ({ name, server }) =>
          name === "flooded"
            ? whileFlooded(server.url, () => typeKeys(server.url, keystrokes))
            : typeKeys(server.url, keystrokes),
        ),
      );
      return { settings: `${rounds} rounds of ${keystrokes} keystrokes`, samples };
    },
  };
}

/**
 * @template T
 * @param {string} url
 * @param {() => Promise<T>} measure
 */
async function whileFlooded(url, measure) {
  const flood = spawn(process.execPath, [floodClient, url], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(flood, "exit");
  try {
    await once(flood.stdout, "data");
    return await measure();
  } finally {
    // The flooding process stays and blocks, because its output is not read.
    flood.kill("SIGKILL");
    await ended;
  }
}

/** @param {string} url @param {number} keystrokes */
async function typeKeys(url, keystrokes) {
  const [screen, keyboard] = [openHttp1(url), openHttp1(url)];
  await Promise.all([screen.ready(), keyboard.ready()]);
  let onEcho = () => undefined;
  const { pid, ended } = await startSession(screen, { argv: ["sh", "-c", "cat >/dev/null"], pty: true }, () =>
    onEcho(),
  );
  ended.catch(() => undefined);
  /** @type {number[]} */
  const latenciesMs = [];
  for (let i = 0; i < keystrokes; i++) {
    /** @type {Promise<number>} */
    const echo = new Promise((resolve) => {
      onEcho = () => void resolve(performance.now());
    });
    const typedMs = performance.now();
    const accepted = sendInput(keyboard, pid, Buffer.from("\n"), "pty");
    latenciesMs.push((await echo) - typedMs);
    await accepted;
  }
  // Its end of file.
  await sendInput(keyboard, pid, Buffer.from("\x04"), "pty");
  await ended;
  screen.close();
  keyboard.close();
  return { p50Ms: percentile(latenciesMs, 50), p99Ms: percentile(latenciesMs, 99) };
}
