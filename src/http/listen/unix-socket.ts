// Listening on a Unix socket, a file whose mode decides which users can connect. Nobody can connect
// before the file has that mode. A socket left behind by an agent that died is replaced; a socket on
// which a program listens, and a file that is not a socket, are never touched.

import { once } from "node:events";
import { lstatSync, unlinkSync } from "node:fs";
import { connect, type Server } from "node:net";
import { HoldfastError } from "../../errors.ts";

/** Node removes the file when `server` is closed. Throws a HoldfastError that names the path. */
export async function listenOnUnixSocket(server: Server, path: string, mode: number): Promise<void> {
  try {
    await bind(server, path, mode);
  } catch (error) {
    if (codeOf(error) !== "EADDRINUSE") throw failure(path, String(error), error);
    await removeStale(path);
    await bind(server, path, mode).catch((second: unknown) => {
      throw failure(path, String(second), second);
    });
  }
}

/**
 * Sets the mode by umask: clients could connect before a chmod. Node binds within `listen`, so the
 * umask can be restored at once.
 */
function bind(server: Server, path: string, mode: number): Promise<unknown> {
  const before = process.umask(~mode & 0o777);
  try {
    server.listen({ path });
  } finally {
    process.umask(before);
  }
  return once(server, "listening");
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw failure(path, "the file exists and is not a socket; remove it or choose another path");
  if (await isAnswered(path)) throw failure(path, "another program is listening there");
  // No await from here on: a program that bound the path meanwhile created another file.
  const now = lstatSync(path, { throwIfNoEntry: false });
  if (now?.ino === found.ino) unlinkSync(path);
}

/** A full queue (EAGAIN), and any other error that leaves the question open, count as an answer. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const finish = (isUp: boolean) => {
      socket.destroy();
      resolve(isUp);
    };
    socket.once("connect", () => finish(true));
    socket.once("error", (error) => finish(!["ECONNREFUSED", "ENOENT"].includes(codeOf(error) ?? "")));
  });
}

function failure(path: string, reason: string, cause?: unknown): HoldfastError {
  return new HoldfastError("unavailable", `cannot listen on unix:${path}: ${reason}`, { cause });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
