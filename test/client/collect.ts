// Reads a process to its end and checks that no offset is repeated or skipped.

import { createHash } from "node:crypto";
import type { DataEvent, Exit, GapEvent, RemoteProcess } from "../../src/client/index.ts";

export interface Collected {
  readonly exit: Exit;
  readonly text: Readonly<Record<DataEvent["kind"], string>>;
  readonly sha256: Readonly<Record<DataEvent["kind"], string>>;
  readonly gaps: readonly GapEvent[];
}

/** Keeps at most 4 MiB of text per stream. */
export async function collect(process: RemoteProcess): Promise<Collected> {
  const kinds = ["stdout", "stderr", "pty"] as const;
  const text = { stdout: "", stderr: "", pty: "" };
  const hashes = { stdout: createHash("sha256"), stderr: createHash("sha256"), pty: createHash("sha256") };
  const gaps: GapEvent[] = [];
  let at = process.offset;
  for await (const event of process) {
    const from = event.kind === "gap" ? event.from : event.offset;
    if (from !== at) throw new Error(`a ${event.kind} event arrived at ${from}, expected ${at}`);
    if (event.kind === "gap") {
      gaps.push(event);
      at = event.to;
      continue;
    }
    at += event.data.length;
    hashes[event.kind].update(event.data);
    if (text[event.kind].length < 4 * 1024 * 1024)
      text[event.kind] += Buffer.from(event.data).toString("latin1");
  }
  const sha256 = Object.fromEntries(kinds.map((kind) => [kind, hashes[kind].digest("hex")]));
  return { exit: await process.exit, text, sha256: sha256 as Collected["sha256"], gaps };
}
