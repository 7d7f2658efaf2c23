// @ts-check
// In the single executable this replaces src/cli/launcher-report.ts: entry/*.S stored the mask in the
// memory of this process.

import { closeSync, openSync, readSync } from "node:fs";
import { getAsset } from "node:sea";

/**
 * @param {NodeJS.ProcessEnv} _environment
 * @param {number} pid
 */
export function launcherReport(_environment, pid) {
  const mask = Buffer.alloc(8);
  try {
    const memory = openSync("/proc/self/mem", "r");
    try {
      readSync(memory, mask, 0, mask.length, Number(getAsset("ignored-signals-address", "utf8")));
    } finally {
      closeSync(memory);
    }
  } catch {
    // No /proc: the agent does not start without it, and other commands ignore nothing.
    return undefined;
  }
  return `${pid}:${mask.readBigUInt64LE().toString(16)}`;
}
