// Starts a program on a terminal of its own, without an agent between: setsid (util-linux) makes the
// terminal its controlling one.

import { spawn } from "node:child_process";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { constants as os } from "node:os";
import { StringDecoder } from "node:string_decoder";
import { closeAll, duplicate, type Fd, openPty, type PtySize, resizePty } from "../../../src/linux/index.ts";
import { openPtyStream } from "../../../src/process/io/fd-stream.ts";

export interface TerminalProgram {
  readonly pid: number;
  type(keys: string): void;
  resize(size: PtySize): void;
  kill(signal: NodeJS.Signals): void;
  /** Takes the terminal away: SIGHUP to the program, and no more input. */
  hangUp(): void;
}

export interface TerminalListener {
  onOutput(text: string): void;
  /** Called after all output of the program. For a signal: 128 + its number. */
  onExit(exitCode: number): void;
}

const BUFFER_BYTES = 65_536;

export function startOnTerminal(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  size: PtySize,
  listener: TerminalListener,
): TerminalProgram {
  const { master, slave, path } = openPty(size);
  // libuv closes its own descriptor early (a hang-up counts as the end); the rest is read from this.
  const copy = duplicate(master);
  const buffer = Buffer.alloc(BUFFER_BYTES);
  const decoder = new StringDecoder("utf8");
  let isOpen = true;
  const stream = openPtyStream(master, {
    buffer: () => buffer,
    callback: (bytes) => {
      listener.onOutput(decoder.write(buffer.subarray(0, bytes)));
      return true;
    },
  });
  // EIO: every program has closed the terminal.
  stream.on("error", () => stream.destroy());
  stream.resume();

  const hangUp = (): void => {
    if (!isOpen) return;
    isOpen = false;
    stream.destroy();
    closeAll([slave, copy]);
  };
  // Opened again: the program gets a descriptor that blocks.
  const stdio = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  const child = spawn("setsid", ["-c", ...argv], {
    stdio: [stdio, stdio, stdio],
    env: { ...env, TERM: "xterm-256color" },
  });
  closeSync(stdio);
  child.once("exit", (code, signal) => {
    if (isOpen) for (const text of rest(copy)) listener.onOutput(decoder.write(text));
    hangUp();
    listener.onExit(signal === null ? (code ?? -1) : 128 + os.signals[signal]);
  });
  return {
    pid: child.pid ?? -1,
    type: (keys) => void stream.write(keys),
    resize: (to) => resizePty(copy, to),
    kill: (signal) => void child.kill(signal),
    hangUp,
  };
}

/** The bytes that the terminal still holds; reading never waits. */
function* rest(fd: Fd): Iterable<Buffer> {
  for (;;) {
    const buffer = Buffer.alloc(BUFFER_BYTES);
    let bytes: number;
    try {
      bytes = readSync(fd, buffer);
    } catch {
      // EAGAIN: nothing is left. EIO: and nothing can follow.
      return;
    }
    if (bytes === 0) return;
    yield buffer.subarray(0, bytes);
  }
}
