// Failures that are about a file: on this machine, or on the agent. The message says which, and what to do. Failures of the
// connection stay ClientErrors, which connect/client-failure.ts explains.

import { ClientError, type ClientErrorCode } from "../../client/index.ts";
import { messageOf } from "../../text.ts";
import { parentOfPath, withoutTrailingSlash } from "./place.ts";

/** Its message is for the user. It has no `code`: the client would take its error for one of the connection. */
export class FileProblem extends Error {
  override readonly name = "FileProblem";
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  ENOTDIR: "a part of it is a file and not a directory",
  EACCES: "permission denied",
  EPERM: "the system does not permit it",
  EISDIR: "it is a directory",
  ENOSPC: "no space is left on the file system",
  EDQUOT: "the disk quota is used up",
  EROFS: "the file system is read-only",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "it has too many symbolic links, or they form a circle",
  EMFILE: "this command has too many open files",
  EIO: "the disk or mount reports an input/output error",
};

/** `action` follows "cannot": `read`, `write`. */
export function localProblem(action: string, path: string, error: unknown): FileProblem {
  if (error instanceof FileProblem) return error;
  const code = String(Reflect.get(Object(error), "code"));
  // Those of src/filesystem name the path and the reason themselves.
  if (error instanceof Error && /^cannot |^"/.test(error.message))
    return new FileProblem(`on this machine: ${asFlags(error.message)}`, { cause: error });
  const reason = reasons[code];
  const text = reason === undefined ? messageOf(error) : `${reason} (${code})`;
  const step = code === "ENOENT" && action === "read" ? '; a path on the agent begins with ":"' : "";
  return new FileProblem(`on this machine: cannot ${action} "${path}": ${text}${step}`, { cause: error });
}

/** Runs `act`; a system error of it becomes a FileProblem. */
export async function onThisMachine<T>(action: string, path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw localProblem(action, path, error);
  }
}

/** Of the connection, of the token, or bugs. */
const notAboutFiles: readonly ClientErrorCode[] = [
  ...(["unavailable", "unauthenticated", "canceled", "aborted", "unknown", "internal"] as const),
];

/** The error itself if it is not about the file. */
export function remoteProblem(error: unknown, path: string): unknown {
  if (!(error instanceof ClientError)) return error;
  const isAboutPath = error.message.startsWith("cannot ");
  if (notAboutFiles.includes(error.code) && !isAboutPath) return error;
  return new FileProblem(`on the agent: ${asFlags(error.message)}${nextStep(error, path)}`, { cause: error });
}

function nextStep({ code, message }: ClientError, path: string): string {
  if (code === "not_found")
    return `; holdfast ls :${parentOfPath(withoutTrailingSlash(path))} lists what is there`;
  if (code === "permission_denied" && message.startsWith("cannot "))
    return "; --user names a user that may do it";
  if (code === "unimplemented") return "; the agent may be too old for files: update it";
  return "";
}

/** The parameters of the agent's endpoint are flags of `holdfast cp`. */
function asFlags(message: string): string {
  return message.replace("links=skip or links=keep", "--links skip or --links keep");
}

/** Runs `act`; an error of the agent about a file becomes a FileProblem. */
export async function onAgent<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw remoteProblem(error, path);
  }
}

/** Undefined if the agent has no such file. */
export async function ifFound<T>(path: string, act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof ClientError && error.code === "not_found") return undefined;
    throw remoteProblem(error, path);
  }
}
