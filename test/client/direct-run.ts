// The output of a script that runs without an agent, as hashes to compare with.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";

/** 0.4 MB on each of two streams, alternating. */
export const talk = `awk 'BEGIN { for (i = 0; i < 40000; i++) { print "out", i; print "err", i > "/dev/stderr" } }'`;

let hashes: { readonly stdout: string; readonly stderr: string } | undefined;

/** The hashes of `talk`, by stream. */
export function talkOnPipes(): { readonly stdout: string; readonly stderr: string } {
  hashes ??= {
    stdout: outputHash(`${talk} 2>/dev/null`),
    stderr: outputHash(`${talk} 2>&1 >/dev/null`),
  };
  return hashes;
}

/** The SHA-256 of the script's stdout under bash. */
export function outputHash(script: string): string {
  const output = execFileSync("bash", ["-c", script], { maxBuffer: 2 ** 30 });
  return createHash("sha256").update(output).digest("hex");
}
