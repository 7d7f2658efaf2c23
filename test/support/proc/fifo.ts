// A named pipe that processes wait at until the test opens it. Made by a system call, for tests that must not use
// node:child_process.

import { closeSync, constants, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { libc } from "../../../src/linux/libc.ts";
import { createTempFolder } from "../temp-folder.ts";

const mkfifo = libc.func("int mkfifo(const char *path, unsigned int mode)");

export interface Fifo {
  /** A bash command that waits until the test opens the fifo or is over, and then succeeds. */
  readonly wait: string;
  /** Whoever waits goes on, and whoever comes later does not wait. */
  open(): void;
}

export function createFifo(): Fifo {
  const path = join(createTempFolder(), "fifo");
  if (mkfifo(path, 0o666) !== 0) throw new Error(`cannot make ${path}`);
  // Reading, too: then it never blocks. As long as this is open, who reads the fifo waits; when it is closed, they end.
  const fd = openSync(path, constants.O_RDWR);
  let isOpen = false;
  const open = () => {
    if (isOpen) return;
    isOpen = true;
    // In this order: who still finds it by its name finds it with a writer, and is woken by the next line.
    rmSync(path);
    closeSync(fd);
  };
  onTestFinished(open);
  return { wait: `{ read -r _ < ${path} || :; } 2>/dev/null`, open };
}
