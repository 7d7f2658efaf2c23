// Compiles the suite's C programs, each once per run.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { scratchPath } from "./scratch.mjs";

/** @type {Map<string, string | undefined>} */
const compiled = new Map();

/** @returns {string | undefined} the program's path; undefined when there is no C compiler */
export function compileForwarder() {
  return compile("c-forwarder");
}

/** See workload.c. @returns {string | undefined} */
export function compileWorkload() {
  return compile("workload");
}

/** @param {string} name @returns {string | undefined} */
function compile(name) {
  if (!compiled.has(name)) compiled.set(name, compileNow(name));
  return compiled.get(name);
}

/** @param {string} name @returns {string | undefined} */
function compileNow(name) {
  const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
  const program = scratchPath(name);
  try {
    execFileSync("cc", ["-O2", "-Wall", "-o", program, source], { stdio: ["ignore", "ignore", "inherit"] });
    return program;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return undefined;
    throw error;
  }
}
