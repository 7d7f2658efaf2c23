// Runs another program beside the agent and waits for its end, as a child that no client sees. For src/handover.

import { closeSync } from "node:fs";
import { constants } from "node:os";
import { startTimer } from "../clock.ts";
import { type Fd, type Image, InheritedProperties, openPipe, spawn } from "../linux/index.ts";
import { endFromWaitStatus, type ProcessEnd } from "./end-status.ts";
import { openPipeReader } from "./io/fd-stream.ts";
import { watch } from "./reaper.ts";

export interface TrialOutcome {
  readonly end: ProcessEnd;
  /** Its stdout and stderr, up to a limit. */
  readonly output: string;
  readonly isLate: boolean;
}

const MAX_OUTPUT_BYTES = 64 * 1024;
const READ_BYTES = 16 * 1024;

/**
 * Kills the program after `limitMs` and when `signal` aborts. Needs a table that reaps. The caller closes `stdin`.
 * Throws `resource_exhausted` if the machine has no room for it.
 */
export function runTrial(
  image: Image,
  { stdin, limitMs, signal }: { readonly stdin: Fd; readonly limitMs: number; readonly signal: AbortSignal },
): Promise<TrialOutcome> {
  const { read, write } = openPipe();
  let child: ReturnType<typeof watch>;
  try {
    const stdio = { kind: "pipes", stdin, stdout: write, stderr: write } as const;
    const request = { ...image, name: image.path, cwd: undefined, stdio };
    child = watch(spawn(request, new InheritedProperties({}, ignore)));
  } catch (error) {
    closeSync(read);
    throw error;
  } finally {
    closeSync(write);
  }
  const output = collect(read);
  let isLate = false;
  const kill = () => {
    // With everything that it started.
    if (!child.isReaped) process.kill(-child.pid, constants.signals.SIGKILL);
  };
  const limit = startTimer(limitMs, () => {
    isLate = true;
    kill();
  });
  if (signal.aborted) kill();
  signal.addEventListener("abort", kill);
  return new Promise((resolve) => {
    child.onReaped((status) => {
      limit.cancel();
      signal.removeEventListener("abort", kill);
      void output.then((text) => resolve({ end: endFromWaitStatus(status), output: text, isLate }));
    });
  });
}

/** Resolves at the end of the output. Reads all of it and keeps the beginning. */
function collect(fd: Fd): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  const stream = openPipeReader(fd, {
    buffer: () => buffer,
    callback: (length) => {
      if (bytes < MAX_OUTPUT_BYTES) pieces.push(Buffer.from(buffer.subarray(0, length)));
      bytes += length;
      return true;
    },
  });
  return new Promise((resolve) => {
    stream.on("error", ignore).once("close", () => resolve(Buffer.concat(pieces).toString()));
    stream.resume();
  });
}

function ignore(): void {
  // Nothing to do.
}
