// Rule 15: a file system that never answers delays only the calls that touch it. The mount is FUSE,
// served by a program that reads requests and answers none.

import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createFileAccess, findFileUser } from "../../src/filesystem/index.ts";
import { libc } from "../../src/linux/libc.ts";
import { needPrograms } from "../support/programs.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const umount = libc.func("int umount2(const char *path, int flags)");
const MNT_DETACH = 2;
const mountProgram = new URL("../fixtures/silent-mount.py", import.meta.url).pathname;

function canMount(): boolean {
  try {
    accessSync("/dev/fuse", constants.W_OK);
    return process.getuid?.() === 0;
  } catch {
    // No FUSE in this kernel or container.
    return false;
  }
}

/** Until the test ends; then every call that hangs fails. */
async function mountSilently(): Promise<{ readonly folder: string; readonly server: ChildProcess }> {
  const folder = createTempFolder();
  needPrograms("python3");
  const server = spawn("python3", [mountProgram, folder], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => {
    server.kill("SIGKILL");
    umount(folder, MNT_DETACH);
  });
  await new Promise((resolve) => server.stdout?.once("data", resolve));
  return { folder, server };
}

test.runIf(canMount())("calls on a mount that never answers fail alone, however many there are", async () => {
  const { folder, server } = await mountSilently();
  const access = createFileAccess("agent", { slowMs: 100, timeoutMs: 1500 });
  const files = access.for(await findFileUser(undefined));
  const hanging = Promise.allSettled(
    Array.from({ length: 40 }, (_, index) => files.call("lstat", [join(folder, `x${index}`)])),
  );
  // More than there are threads, while all of those above hang or wait.
  for (let index = 0; index < 20; index++) expect(await files.call("lstat", ["/etc"])).toBeDefined();
  const outcomes = await hanging;
  for (const outcome of outcomes)
    expect(outcome).toMatchObject({ status: "rejected", reason: { code: "unavailable" } });
  expect(String((outcomes[0] as PromiseRejectedResult).reason)).toMatch(
    /cannot lstat: the file system of "\S+\/x0" did not answer within 1500 ms/,
  );
  // Four hang on the mount, and four at most work.
  expect(access.threadCount).toBeLessThanOrEqual(8);
  server.kill("SIGKILL");
  umount(folder, MNT_DETACH);
  await access.close();
});
