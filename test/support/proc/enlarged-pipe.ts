// Enlarges the pipe at a descriptor of a process, as the process itself could.

import { closeSync, constants, openSync } from "node:fs";
import { libc } from "../../../src/linux/libc.ts";

const F_SETPIPE_SZ = 1031;
/** The most for a program without privileges. */
const LARGEST_PIPE_BYTES = 1024 * 1024;

const fcntl = libc.func("int fcntl(int fd, int command, int argument)");

/** `fd` is the writing end of a pipe. */
export function enlargePipe(pid: number, fd: number): void {
  const pipe = openSync(`/proc/${pid}/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  const bytes: number = fcntl(pipe, F_SETPIPE_SZ, LARGEST_PIPE_BYTES);
  closeSync(pipe);
  if (bytes !== LARGEST_PIPE_BYTES) throw new Error(`the pipe of process ${pid} has ${bytes} bytes`);
}
