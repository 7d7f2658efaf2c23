// Question: how long does a directory of many small files take from one machine to the other and back, as a person copies
// it: with `holdfast cp`, with `scp -r`, and with tar through ssh? The ssh client uses a connection that is open already;
// `holdfast cp` starts without one.

import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { interleave } from "../rounds.mjs";
import { launch } from "../servers/launch.mjs";
import { holdfastCommand } from "../servers/lineup.mjs";
import { scratchPath } from "../servers/scratch.mjs";
import { sshProblem, startSshd } from "../servers/sshd.mjs";
import { cpuSecondsWithChildren } from "../servers/usage.mjs";

const FILES = 2_600;
const FOLDERS = 52;
/** Of sources as packages have them: 0.2 to 8 KiB. */
const sizeOf = (/** @type {number} */ n) => 200 + ((n * 977) % 8_000);

/** @param {"up" | "down"} direction @returns {import("./index.mjs").Figure} */
export function copyTreeFigure(direction) {
  return {
    name: `copy-tree-${direction}`,
    question: `how long does a directory of ${FILES} small files take ${direction === "up" ? "to" : "from"} the other side?`,
    references: ["scp", "tar"],
    metrics: [
      { key: "seconds", label: "seconds", digits: 2, ratio: true },
      { key: "serverCpu", label: "server CPU s", digits: 2 },
    ],
    async measure({ quick, say }) {
      const rounds = quick ? 2 : 7;
      const tree = scratchPath("copy-tree");
      const bytes = makeTree(tree);
      const subjects = await openSubjects(say);
      try {
        const samples = await interleave(subjects, rounds, (subject) => copyOnce(subject, direction, tree));
        return { settings: `${rounds} rounds, ${FILES} files, ${(bytes / 1e6).toFixed(1)} MB`, samples };
      } finally {
        for (const { server } of subjects) await server.stop();
      }
    },
  };
}

/**
 * @typedef {object} Subject
 * @property {string} name
 * @property {import("../servers/launch.mjs").Server} server
 * @property {(from: string, to: string, direction: "up" | "down") => string[]} command
 */

/** @param {(line: string) => void} say @returns {Promise<Subject[]>} */
async function openSubjects(say) {
  const holdfast = await launch("holdfast", holdfastCommand());
  const [node = "", main = ""] = holdfastCommand();
  /** @type {Subject[]} */
  const subjects = [
    {
      name: "holdfast",
      server: holdfast,
      command: (from, to, direction) => [
        ...[node, main, "--url", holdfast.url, "cp", "--quiet"],
        ...(direction === "up" ? [from, `:${to}`] : [`:${from}`, to]),
      ],
    },
  ];
  const problem = sshProblem();
  if (problem !== undefined) {
    say(`scp and tar are left out: ${problem}`);
    return subjects;
  }
  const sshd = await startSshd();
  const config = sshd.url.replace(/^ssh:\/\//, "");
  const ssh = `ssh -F '${config}' bench`;
  return [
    ...subjects,
    {
      name: "scp",
      server: sshd,
      command: (from, to, direction) => [
        ...["scp", "-q", "-r", "-F", config],
        ...(direction === "up" ? [from, `bench:${to}`] : [`bench:${from}`, to]),
      ],
    },
    {
      name: "tar",
      server: { ...sshd, stop: () => Promise.resolve() },
      command: (from, to, direction) => [
        ...["sh", "-c"],
        direction === "up"
          ? `tar c -C '${from}' . | ${ssh} "mkdir '${to}' && tar x -C '${to}'"`
          : `mkdir '${to}' && ${ssh} "tar c -C '${from}' ." | tar x -C '${to}'`,
      ],
    },
  ];
}

let copies = 0;

/** @param {Subject} subject @param {"up" | "down"} direction @param {string} tree */
async function copyOnce({ server, command }, direction, tree) {
  // Not removed before the end: an ext4 without a journal looks at each inode that was freed in the last minute before it takes
  // one, which costs more than the copy.
  const target = scratchPath(`copied-tree-${copies++}`);
  const before = cpuSecondsWithChildren(server);
  const started = performance.now();
  await run(command(tree, target, direction));
  const seconds = (performance.now() - started) / 1000;
  const serverCpu = cpuSecondsWithChildren(server) - before;
  checkTree(target);
  return { seconds, serverCpu };
}

/** @param {string[]} command @returns {Promise<void>} */
function run([file = "", ...args]) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ["ignore", "ignore", "inherit"] });
    child.once("error", reject);
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(`${file} ended with ${code}`))));
  });
}

/** @param {string} folder @returns {number} its bytes */
function makeTree(folder) {
  rmSync(folder, { recursive: true, force: true });
  let bytes = 0;
  for (let n = 0; n < FILES; n++) {
    const parent = join(folder, `folder-${n % FOLDERS}`);
    if (n < FOLDERS) mkdirSync(parent, { recursive: true });
    writeFileSync(join(parent, `file-${n}.js`), "x".repeat(sizeOf(n)));
    bytes += sizeOf(n);
  }
  return bytes;
}

/** @param {string} folder */
function checkTree(folder) {
  for (let n = 0; n < FILES; n++) {
    const { size } = statSync(join(folder, `folder-${n % FOLDERS}`, `file-${n}.js`));
    if (size !== sizeOf(n)) throw new Error(`file ${n} has ${size} bytes, not ${sizeOf(n)}`);
  }
  const folders = readdirSync(folder).length;
  if (folders !== FOLDERS) throw new Error(`${folders} folders arrived, not ${FOLDERS}`);
}
