// stdin of this command, which is touched only if it is sent to a process: in `while read x; do holdfast run …; done`, it
// belongs to the loop.

import { fstatSync, readFileSync } from "node:fs";
import { messageOf } from "../../text.ts";
import { ownStandardInput } from "../stdio.ts";

/** stdin was to be sent to the process and cannot be read. */
export class StdinError extends Error {
  override readonly name = "StdinError";
}

const ACCESS_MODE = 0o3;
const WRITE_ONLY = 0o1;

/** Prepares stdin for reading. Throws a StdinError before anything is started. */
export function openStdin(): void {
  const reason = whyUnreadable();
  if (reason !== undefined)
    throw new StdinError(`stdin cannot be read: ${reason}. Redirect it (< FILE), or leave out -i`);
  ownStandardInput();
}

/** Reading would show it also, but only once the process is started. */
function whyUnreadable(): string | undefined {
  try {
    if (fstatSync(0).isDirectory()) return "it is a directory";
    const [, flags = "0"] = /^flags:\s*(\d+)$/m.exec(readFileSync("/proc/self/fdinfo/0", "latin1")) ?? [];
    return (Number.parseInt(flags, 8) & ACCESS_MODE) === WRITE_ONLY
      ? "it is open for writing only"
      : undefined;
  } catch (error) {
    return messageOf(error);
  }
}
