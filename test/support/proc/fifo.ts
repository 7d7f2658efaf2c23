// A named pipe at which processes wait until the test opens it. Made by a system call, for tests
// that must not use node:child_process.

import { closeSync, constants, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { libc } from "../../../src/linux/libc.ts";
import { createTempFolder } from "../temp-folder.ts";

const mkfifo = libc.func("int mkfifo(const char *path, unsigned int mode)");

export interface Fifo {
  /** A bash command that waits until the test opens the fifo or is over, and then succeeds. */
  readonly wait: string;
  /** Lets waiting processes continue; later ones do not wait. */
  open(): void;
}

export function createFifo(): Fifo {
  const path = join(createTempFolder(), "fifo");
  if (mkfifo(path, 0o666) !== 0) throw new Error(`cannot make ${path}`);
  // Opened for reading as well, so that opening never blocks. While this descriptor is open,
  // readers of the fifo wait; when it is closed, they end.
  const fd = openSync(path, constants.O_RDWR);
  let isOpen = false;
  const open = () => {
    if (isOpen) return;
    isOpen = true;
    // In this order: a process that still finds the name also finds a writer, and the next line
    // wakes it.
    rmSync(path);
    closeSync(fd);
  };
  onTestFinished(open);
  return { wait: `{ read -r _ < ${path} || :; } 2>/dev/null`, open };
}
