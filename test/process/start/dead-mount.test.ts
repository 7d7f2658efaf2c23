// Rule 15: a file system that never answers delays only the start that touches it. The mount is
// FUSE, served by a program that reads requests and answers none.

import { accessSync, constants, copyFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { libc } from "../../../src/linux/libc.ts";
import type { ProcessTable, StartRequest } from "../../../src/process/index.ts";
import { collectOutput, outputOf } from "../../support/agent/process-output.ts";
import { createTable } from "../../support/agent/process-table.ts";
import { command, PTY } from "../../support/clients/start-requests.ts";
import { needPrograms } from "../../support/programs.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

const umount = libc.func("int umount2(const char *path, int flags)");
const MNT_DETACH = 2;
/** Long enough for a loaded machine to come to the mount. */
const START_TIMEOUT_MS = 3000;
const mountProgram = new URL("../../fixtures/silent-mount.py", import.meta.url).pathname;

function canMount(): boolean {
  try {
    accessSync("/dev/fuse", constants.W_OK);
    return process.getuid?.() === 0;
  } catch {
    // No FUSE in this kernel or container.
    return false;
  }
}

/** Until the test ends; then every look-up that hangs fails. */
async function mountSilently(table: ProcessTable): Promise<string> {
  const folder = createTempFolder();
  needPrograms("python3");
  const server = await table.start(command("python3", [mountProgram, folder]));
  onTestFinished(() => {
    if (server.isRunning) server.signal(9);
    umount(folder, MNT_DETACH);
  });
  await collectOutput(server).waitFor("stdout", /mounted/);
  return folder;
}

test.runIf(canMount()).each([
  ["pipes", {}],
  ["a terminal", { stdio: PTY }],
])(
  "starts whose cwd, command, PATH or interpreter is on a mount that never answers fail alone, on %s",
  async (_, more) => {
    const table = createTable({ startTimeoutMs: START_TIMEOUT_MS, warnings: [] });
    const mount = await mountSilently(table);
    const PATH = `${mount}:/usr/bin:/bin`;
    const requests: readonly (readonly [StartRequest, RegExp])[] = [
      [
        command("/bin/true", [], { cwd: join(mount, "x"), ...more }),
        /file system of cwd "\S+x" did not answer/,
      ],
      [
        command(join(mount, "tool"), [], more),
        /file system of command "\S+tool" or a folder of PATH did not/,
      ],
      [command("true", [], { environment: { PATH }, ...more }), /command "true" or a folder of PATH did not/],
      [command("/bin/true", [], { user: "nobody", cwd: mount, ...more }), /file system of cwd .* did not/],
    ];
    // Each ten times: more than the pool of libuv has threads.
    const hanging = requests.map(([request]) =>
      Promise.allSettled(Array.from({ length: 10 }, () => table.start(request))),
    );
    let longestTurnMs = 0;
    let lastMs = performance.now();
    const watch = setInterval(() => {
      longestTurnMs = Math.max(longestTurnMs, performance.now() - lastMs);
      lastMs = performance.now();
    }, 5);
    onTestFinished(() => clearInterval(watch));

    const others = await Promise.all(
      [undefined, "nobody"].map(async (user) =>
        outputOf(await table.start(command("echo", ["meanwhile"], { user, cwd: "/" }))),
      ),
    );
    expect(others.map(({ stdout }) => stdout)).toEqual(["meanwhile\n", "meanwhile\n"]);
    for (const [index, results] of (await Promise.all(hanging)).entries())
      for (const result of results)
        expect(result.status === "rejected" && result.reason).toMatchObject({
          code: "unavailable",
          message: expect.stringMatching(requests[index]?.[1] ?? /never/),
        });
    // Generous, because the machine may be loaded. A blocked loop takes START_TIMEOUT_MS at least.
    expect(longestTurnMs).toBeLessThan(START_TIMEOUT_MS);
  },
);

test.runIf(canMount())("a start that hangs is aborted when the agent stops", async () => {
  const table = createTable({ startTimeoutMs: 60_000, warnings: [] });
  const mount = await mountSilently(table);
  const hanging = expect(table.start(command("/bin/true", [], { cwd: mount }))).rejects.toMatchObject({
    code: "unavailable",
    message: "the agent is shutting down and starts no more processes",
  });
  await table.start(command("sleep", ["60"]));
  await table.shutdown(10_000);
  await hanging;
});

test("a copy of a program on a local mount is started while its caches are cold and warm", async () => {
  const path = join(createTempFolder(), "echo");
  copyFileSync("/bin/echo", path);
  const table = createTable();
  for (const word of ["cold", "warm"])
    expect((await outputOf(await table.start(command(path, [word])))).stdout).toBe(`${word}\n`);
});
