// File calls on threads: results, errors, whose rights, and file systems that do not answer.

import { chmodSync, closeSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import {
  createFileAccess,
  type FileAccess,
  type FileUser,
  findFileUser,
} from "../../src/filesystem/index.ts";
import { AT_FDCWD, RESOLVE } from "../../src/linux/index.ts";
import { createTempFolder } from "../support/temp-folder.ts";

let access: FileAccess;
let nobody: FileUser;
let root: FileUser;

beforeAll(async () => {
  access = createFileAccess("user");
  nobody = await findFileUser("nobody");
  root = await findFileUser(undefined);
});
afterAll(() => access.close());

test("a descriptor that a thread opened is read by the agent itself", async () => {
  const path = join(createTempFolder(), "readable");
  writeFileSync(path, "content");
  const fd = await access.for(root).call("open", [path, 0]);
  expect(readFileSync(fd, "utf8")).toBe("content");
  closeSync(fd);
});

test("a missing file has no state, and opening it is an error that names it", async () => {
  const path = join(createTempFolder(), "missing");
  expect(await access.for(root).call("lstat", [path])).toBeUndefined();
  await expect(access.for(root).call("open", [path, 0])).rejects.toMatchObject({
    code: "not_found",
    message: `cannot open "${path}": it does not exist (ENOENT)`,
  });
});

test("with --file-access user, a call has the user's rights and not the agent's", async () => {
  await expect(access.for(nobody).call("open", ["/etc/shadow", 0])).rejects.toMatchObject({
    code: "permission_denied",
  });
  // The agent itself keeps its rights, on every thread.
  closeSync(await access.for(root).call("open", ["/etc/shadow", 0]));
});

test("with --file-access user, a thread has none of the agent's capabilities and groups", async () => {
  const fd = await access.for(nobody).call("open", ["/proc/thread-self/status", 0]);
  const status = readFileSync(fd, "utf8");
  closeSync(fd);
  expect(status).toMatch(/^Uid:\t0\t0\t0\t65534$/m);
  expect(status).toMatch(/^Gid:\t0\t0\t0\t65534$/m);
  expect(status).toMatch(/^Groups:\t65534 ?$/m);
  expect(status).toMatch(/^CapEff:\t0+$/m);
  expect(status).toMatch(/^CapPrm:\t0+$/m);
  expect(readFileSync("/proc/self/status", "utf8")).toMatch(/^Uid:\t0\t0\t0\t0$/m);
});

test("with --file-access user, files belong to the user with the umask of commands", async () => {
  const folder = createTempFolder();
  const home = join(folder, "of-nobody");
  mkdirSync(home, { mode: 0o777 });
  chmodSync(home, 0o777);
  chmodSync(folder, 0o755);
  const before = process.umask(0o077);
  onTestFinished(() => void process.umask(before));
  const path = join(home, "new");
  closeSync(await access.for(nobody).call("open", [path, 0o102, 0o666]));
  const { uid, mode } = statSync(path);
  expect({ uid, mode: mode & 0o777 }).toEqual({ uid: 65534, mode: 0o644 });
});

test("with --file-access agent, a call for a user has the agent's rights", async () => {
  const asAgent = createFileAccess("agent");
  onTestFinished(() => asAgent.close());
  closeSync(await asAgent.for(nobody).call("open", ["/etc/shadow", 0]));
});

test("a look-up without links refuses a link, also one in the middle of the path", async () => {
  const folder = createTempFolder();
  mkdirSync(join(folder, "real"));
  writeFileSync(join(folder, "real/file"), "content");
  symlinkSync("real", join(folder, "link"));
  const open = (path: string) =>
    access.for(root).call("openResolved", [AT_FDCWD, join(folder, path), 0, 0, RESOLVE.NO_SYMLINKS]);
  closeSync(await open("real/file"));
  await expect(open("link/file")).rejects.toMatchObject({ code: "failed_precondition" });
});

test("a call after the close fails and says so", async () => {
  const closed = createFileAccess("agent");
  await closed.for(root).call("lstat", ["/"]);
  await closed.close();
  await expect(closed.for(root).call("lstat", ["/"])).rejects.toMatchObject({
    code: "unavailable",
    message: "the agent is shutting down",
  });
});
