// Compiles the C forwarder once a run.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { scratchPath } from "./scratch.mjs";

/** @returns {string | undefined} the program's path; undefined when there is no C compiler */
export function compileForwarder() {
  const source = fileURLToPath(new URL("c-forwarder.c", import.meta.url));
  const program = scratchPath("c-forwarder");
  try {
    execFileSync("cc", ["-O2", "-Wall", "-o", program, source], { stdio: ["ignore", "ignore", "inherit"] });
    return program;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return undefined;
    throw error;
  }
}
