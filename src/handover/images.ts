// The programs that this agent is and may become: the files of the npm package with this Node, or a single executable.

import { closeSync, openSync, readSync, statSync } from "node:fs";
import { isAbsolute } from "node:path";
import { HoldfastError } from "../errors.ts";
import { type Image, keptSignals } from "../linux/index.ts";
import { messageOf } from "../text.ts";

export type Program = Pick<Image, "path" | "argv">;

/** The environment variable with the descriptor of the state, and the reason of an image that returns it. */
export const STATE_VARIABLE = "HOLDFAST_STATE";
/** See src/cli/launched.ts. */
const SIGNALS_VARIABLE = "HOLDFAST_IGNORED_SIGNALS";

/** As this program was started: a file that is replaced since is the next version. */
export function ownProgram(): Program {
  return isSingleExecutable() ? executable(process.execPath) : script(process.argv[1] ?? "");
}

/** Throws `failed_precondition` for a file that may not or cannot be executed in place of this agent. */
export function programOf(file: string): Program {
  checkOwnership(file);
  if (!isScript(file)) return executable(file);
  // A single executable contains no Node that runs another script: the script finds one itself.
  return isSingleExecutable() ? executable(file) : script(file);
}

/** Whether this is the single executable. */
export function isSingleExecutable(): boolean {
  return process.getBuiltinModule("node:sea").isSea();
}

/** Throws if the file of `program` was removed or replaced since `tried` was taken of it. */
export function checkSameFile(program: Program, tried: FileMark): void {
  const file = fileOf(program);
  const now = markOf(program);
  if (now === undefined) throw unusable(file, "was removed after it was tried");
  if (now !== tried) throw unusable(file, "was replaced after it was tried");
}

/** What changes when a file is replaced or written. */
export type FileMark = string | undefined;

/** Undefined if the file cannot be found. */
export function markOf(program: Program): FileMark {
  const found = statSync(fileOf(program), { throwIfNoEntry: false, bigint: true });
  return found && `${found.dev} ${found.ino} ${found.size} ${found.mtimeNs}`;
}

/** Node itself is not what was tried: its file is that of this program. */
function fileOf({ path, argv }: Program): string {
  const script = argv[1 + process.execArgv.length];
  return path === process.execPath && !isSingleExecutable() && script !== undefined ? script : path;
}

/** `variable`: the value of STATE_VARIABLE; none for a rehearsal. */
export function imageOf({ path, argv }: Program, variable: string | undefined): Image {
  const environment = Object.entries({ ...process.env, [STATE_VARIABLE]: variable, ...signalsOf(variable) });
  return {
    path,
    argv,
    environment: environment.flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`])),
  };
}

/** Node of the next image resets signals that are ignored. The pid stays the same. */
function signalsOf(variable: string | undefined): Record<string, string> {
  if (variable === undefined) return {};
  let mask = 0n;
  for (const signal of keptSignals()) mask |= 1n << BigInt(signal - 1);
  return mask === 0n ? {} : { [SIGNALS_VARIABLE]: `${process.pid}:${mask.toString(16)}` };
}

function script(file: string): Program {
  const [, , ...args] = process.argv;
  return { path: process.execPath, argv: [process.execPath, ...process.execArgv, file, ...args] };
}

function executable(file: string): Program {
  const [, , ...args] = process.argv;
  return { path: file, argv: [file, ...args] };
}

const WRITABLE_BY_OTHERS = 0o022;

/** The file runs with the rights of the agent: no other user may have written it. */
function checkOwnership(file: string): void {
  if (!isAbsolute(file))
    throw new HoldfastError("invalid_argument", `cannot upgrade to "${file}": it is not an absolute path`);
  let found: ReturnType<typeof statSync>;
  try {
    found = statSync(file);
  } catch (error) {
    throw unusable(file, `cannot be read: ${messageOf(error)}`);
  }
  if (!found.isFile()) throw unusable(file, "is not a file");
  if (found.uid !== 0 && found.uid !== process.geteuid?.())
    throw unusable(file, "belongs to another user; its owner must be root or the user of the agent");
  if ((found.mode & WRITABLE_BY_OTHERS) !== 0)
    throw unusable(file, "can be written by other users (chmod go-w)");
}

function isScript(file: string): boolean {
  const start = Buffer.alloc(4);
  let fd: number | undefined;
  try {
    fd = openSync(file, "r");
    readSync(fd, start, 0, start.length, 0);
  } catch (error) {
    throw unusable(file, `cannot be read: ${messageOf(error)}`);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
  if (start.toString("latin1") === "\x7fELF") return false;
  if (start.toString("latin1", 0, 2) === "#!") return true;
  throw unusable(file, "is neither an executable nor a script that begins with #!");
}

function unusable(file: string, why: string): HoldfastError {
  return new HoldfastError("failed_precondition", `cannot upgrade to "${file}": it ${why}`);
}
