// The error of a start that the launcher could not finish, in the words of the request.

import { constants } from "node:os";
import { type ErrorCode, HoldfastError } from "../../errors.ts";
import { codeOf, executeError, type LaunchReport, nameOf, systemError } from "../../linux/index.ts";
import { clip } from "../../text.ts";

const E = constants.errno;

/** The values that a message may name. */
export interface LaunchedRequest {
  readonly cmd: string;
  /** As the client gave it, otherwise the place that was chosen for it. */
  readonly cwd: string;
  /** PATH of the process. */
  readonly searchPath: string | undefined;
  readonly user: string;
  /** Whether `user` is the user of the agent; messages name any other user. */
  readonly isOwnUser: boolean;
}

export function launchError(
  failure: NonNullable<LaunchReport["failure"]>,
  step: LaunchReport["step"],
  request: LaunchedRequest,
): HoldfastError {
  const { errno, path } = failure;
  const by = request.isOwnUser ? "" : ` by ${request.user}`;
  switch (step) {
    case "cgroup":
      return new HoldfastError("failed_precondition", `cannot join the cgroup ${path}: ${nameOf(errno)}`);
    case "user":
      return systemError(`run commands as "${request.user}"`, errno);
    case "cwd":
      return new HoldfastError(pathCode(errno), `cwd "${clip(request.cwd)}" ${cwdProblem(errno, by)}`);
    case "interpreter":
      return new HoldfastError(
        "invalid_argument",
        `cannot execute ${path}: the interpreter or loader that it names does not exist`,
      );
    case "command":
      return commandError(failure, request, by);
  }
}

/** The child did not execute its command in time and was killed. */
export function launchTimeout(
  step: LaunchReport["step"],
  request: LaunchedRequest,
  timeoutMs: number,
): HoldfastError {
  return new HoldfastError(
    "unavailable",
    `cannot start "${clip(request.cmd)}": ${delayOf(step, request)} within ${timeoutMs} ms`,
  );
}

function delayOf(step: LaunchReport["step"], { cmd, cwd }: LaunchedRequest): string {
  if (step === "cwd") return `the file system of cwd "${clip(cwd)}" did not answer`;
  if (step === "command")
    return `the file system of command "${clip(cmd)}" or a folder of PATH did not answer`;
  return "the machine did not begin it";
}

/** The launcher was killed before it came to the command. */
export function launchKilled({ cmd }: LaunchedRequest): HoldfastError {
  return new HoldfastError("unavailable", `"${clip(cmd)}" was killed before it was executed`);
}

function commandError(
  { errno, path }: NonNullable<LaunchReport["failure"]>,
  { cmd, searchPath }: LaunchedRequest,
  by: string,
): HoldfastError {
  const problem = commandProblem(errno, by);
  if (problem === undefined) return executeError(path, errno);
  const isNotFound = path === "" && (errno === E.ENOENT || errno === E.ENOTDIR);
  const message = isNotFound
    ? `command "${cmd}" not found in PATH "${searchPath ?? ""}"`
    : `command "${cmd}" ${problem}`;
  return new HoldfastError(pathCode(errno), message);
}

function cwdProblem(errno: number, by: string): string {
  if (errno === E.ENOENT) return "does not exist";
  if (errno === E.ENOTDIR) return "is not a directory";
  return `cannot be used${by}: ${nameOf(errno)}`;
}

function commandProblem(errno: number, by: string): string | undefined {
  switch (errno) {
    case E.ENOENT:
    case E.ENOTDIR:
      return "does not exist";
    case E.EACCES:
      return `is not executable${by}`;
    case E.EISDIR:
      return "is a directory, not an executable";
    case E.ELOOP:
    case E.ENAMETOOLONG:
    case E.EIO:
    case E.ENODEV:
    case E.ESTALE:
    case E.ETIMEDOUT:
      return `cannot be executed: ${nameOf(errno)}`;
    default:
      return undefined;
  }
}

/** The client chose the path, so an errno without a code of its own is its mistake. */
function pathCode(errno: number): ErrorCode {
  const code = codeOf(errno);
  return code === "internal" || code === "permission_denied" ? "invalid_argument" : code;
}
