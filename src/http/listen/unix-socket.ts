// Listening on a Unix socket: a file whose mode says who may connect. Nobody can connect before it has that mode; one left
// behind by an agent that died is replaced, one that somebody answers on, or that is no socket, never.

import { lstatSync, unlinkSync } from "node:fs";
import { connect, type Server } from "node:net";
import { HoldfastError } from "../../errors.ts";
import { listen } from "./listen.ts";

/** Node removes the file when `server` is closed. Throws a HoldfastError that names the path. */
export async function listenOnUnixSocket(server: Server, path: string, mode: number): Promise<void> {
  try {
    await bind(server, path, mode);
  } catch (error) {
    if (codeOf(error) !== "EADDRINUSE") throw failure(path, String(error), error);
    await removeStale(path);
    await bind(server, path, mode).catch((again: unknown) => {
      throw failure(path, String(again), again);
    });
  }
}

/** The mode by umask: a chmod would come after the moment it can be connected to. Node binds in this very call. */
function bind(server: Server, path: string, mode: number): Promise<void> {
  const before = process.umask(~mode & 0o777);
  try {
    return listen(server, { path });
  } finally {
    process.umask(before);
  }
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw failure(path, "there is a file that is no socket; it is left as it is");
  if (await isAnswered(path)) throw failure(path, "another program is listening there");
  // No await from here on: whoever bound it meanwhile made another file.
  const now = lstatSync(path, { throwIfNoEntry: false });
  if (now?.ino === found.ino) unlinkSync(path);
}

/** A full queue (EAGAIN) is an answer, too, and so is whatever else keeps us from knowing. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const settle = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", (error) => settle(!["ECONNREFUSED", "ENOENT"].includes(codeOf(error) ?? "")));
  });
}

function failure(path: string, reason: string, cause?: unknown): HoldfastError {
  return new HoldfastError("unavailable", `cannot listen on unix:${path}: ${reason}`, { cause });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
