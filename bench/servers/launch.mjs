// Starts and ends one server process. The contract with every server: it prints one line `NAME
// listening on http://HOST:PORT` to stdout when it is ready, and ends on SIGTERM. Every server
// started here is ended here, by its own pid: by `stop`, or by `killAllNow` at the end of the
// suite.

import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { scratchPath } from "./scratch.mjs";

const readyMs = 10_000;
const stopMs = 5_000;
const stderrShown = 2_000;

/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();
let launched = 0;

/**
 * @typedef {object} Server
 * @property {string} url
 * @property {() => number[]} pids  of the server itself, without the commands it runs; none: not
 * ours, and no signal of ours ended it
 * @property {() => string} stderr  the end of its stderr, for when something went wrong
 * @property {() => Promise<void>} stop
 */

/**
 * Starts `command` and waits until it listens.
 * @param {string} name
 * @param {string[]} command
 * @returns {Promise<Server>}
 */
export async function launch(name, command) {
  const [file = "", ...args] = command;
  const logPath = scratchPath(`${name}-${launched++}.log`);
  const log = openSync(logPath, "w");
  const child = spawn(file, args, { stdio: ["ignore", "pipe", log] });
  closeSync(log);
  running.add(child);
  const exited = new Promise((resolve) => child.once("exit", resolve)).then(() => running.delete(child));
  child.once("error", () => running.delete(child));
  const stderr = () => readFileSync(logPath, "utf8").slice(-stderrShown);
  const url = await listeningUrl(child, name, stderr);
  const { pid } = child;
  return { url, pids: () => (pid === undefined ? [] : [pid]), stderr, stop: () => stop(child, exited) };
}

/** For exit handlers: kills at once, without waiting. */
export function killAllNow() {
  for (const child of running) child.kill("SIGKILL");
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @param {string} name
 * @param {() => string} stderr
 * @returns {Promise<string>}
 */
function listeningUrl(child, name, stderr) {
  return new Promise((resolve, reject) => {
    const refuse = (/** @type {string} */ reason) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(new Error(`server ${name} ${reason}; its stderr:\n${stderr()}`));
    };
    const timer = setTimeout(refuse, readyMs, `did not listen within ${readyMs} ms`);
    child.once("error", (error) => refuse(`did not start: ${error.message}`));
    const ended = (/** @type {number | null} */ code, /** @type {string | null} */ signal) =>
      refuse(`ended before it listened (${signal ?? code})`);
    child.once("exit", ended);
    if (child.stdout === null) throw new Error("stdout is a pipe, see spawn above");
    createInterface({ input: child.stdout }).on("line", (line) => {
      const address = /listening on (http:\/\/\S+)/.exec(line)?.[1];
      if (address === undefined) return;
      clearTimeout(timer);
      child.off("exit", ended);
      resolve(address);
    });
  });
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @param {Promise<unknown>} exited
 */
async function stop(child, exited) {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), stopMs);
  await exited;
  clearTimeout(timer);
}
