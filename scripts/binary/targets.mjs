// @ts-check The targets of the executables, and the Node that they contain.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/**
 * Of the maintained lines the newest that runs on a bare Debian or Ubuntu: from 25 on Node needs
 * libatomic.so.1, which neither installs by default (nodejs/node#60790). Node 20 would be 22 MB
 * smaller, but gets no fixes any more.
 */
export const NODE_VERSION = "24.21.0";

/**
 * `node` is the integrity of the registry's package of Node, `emulator` what runs it elsewhere, with
 * the folder where Debian puts the libraries of that architecture (libstdc++6-arm64-cross).
 */
export const TARGETS = {
  x64: {
    node: "sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
    emulator: { command: "qemu-x86_64-static", libraries: "/usr/x86_64-linux-gnu" },
  },
  arm64: {
    node: "sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==",
    emulator: { command: "qemu-aarch64-static", libraries: "/usr/aarch64-linux-gnu" },
  },
};

/** @typedef {keyof typeof TARGETS} Arch */

/**
 * What goes before a program for `arch` to run it here; undefined if nothing can.
 * @param {Arch} arch
 * @returns {{ command: readonly string[], env: NodeJS.ProcessEnv } | undefined}
 */
export function runnerFor(arch) {
  if (process.arch === arch) return { command: [], env: process.env };
  const { command, libraries } = TARGETS[arch].emulator;
  if (spawnSync(command, ["--version"]).error || !existsSync(`${libraries}/lib/libstdc++.so.6`))
    return undefined;
  return { command: [command], env: { ...process.env, QEMU_LD_PREFIX: libraries } };
}
