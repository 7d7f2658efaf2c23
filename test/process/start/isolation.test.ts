// Rule 20: a command runs as its user in every respect, and nothing that the client chose runs or
// is looked up with the rights of the agent. Needs root: only root may start commands of other
// users.

import { chmodSync, copyFileSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { InheritedProperties } from "../../../src/linux/index.ts";
import { launch, spawn } from "../../../src/linux/index.ts";
import type { StartRequest } from "../../../src/process/index.ts";
import { openPipes } from "../../../src/process/io/stdio.ts";
import { outputOf } from "../../support/agent/process-output.ts";
import { createTable } from "../../support/agent/process-table.ts";
import { command, PIPES, PTY, script } from "../../support/clients/start-requests.ts";
import { openDescriptors } from "../../support/proc/open-descriptors.ts";
import { childrenOf, eventually } from "../../support/proc/proc.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

const user = "nobody";
const both = [undefined, user];
const kinds = [
  ["pipes", PIPES],
  ["a terminal", PTY],
] as const;

async function run(request: StartRequest) {
  const { stdout, stderr, pty, end } = await outputOf(await createTable().start(request));
  return { text: (stdout + stderr + pty).replaceAll("\r", ""), status: end.status };
}

function program(path: string, text: string, mode = 0o755): string {
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, mode);
  return path;
}

/** Everyone may enter it and write there. */
function publicFolder(): string {
  const folder = createTempFolder();
  chmodSync(folder, 0o1777);
  return folder;
}

/** Only root may enter it. */
function privateFolder(): string {
  const folder = join(publicFolder(), "private");
  mkdirSync(folder, { mode: 0o700 });
  return folder;
}

describe.runIf(process.getuid?.() === 0)("as root, for another user", () => {
  test.each(kinds)("no loader reads LD_ variables with the rights of the agent, on %s", async (_, stdio) => {
    const folder = publicFolder();
    const environment = { LD_DEBUG: "files", LD_DEBUG_OUTPUT: join(folder, "log") };
    expect(await run(command("true", [], { user, stdio, environment }))).toMatchObject({
      status: "exit status 0",
    });

    const owners = readdirSync(folder).map((name) => statSync(join(folder, name)).uid);
    expect(owners).toEqual([65_534]);
  });

  test("LD_LIBRARY_PATH reaches the command and breaks nothing on the way", async () => {
    const folder = publicFolder();
    for (const library of ["libcap-ng.so.0", "libcap.so.2"]) writeFileSync(join(folder, library), "garbage");
    const environment = { LD_LIBRARY_PATH: folder };
    expect(await run(script("echo $LD_LIBRARY_PATH", { user, environment }))).toEqual({
      text: `${folder}\n`,
      status: "exit status 0",
    });
  });

  test("a folder of PATH that the user may not enter is skipped", async () => {
    const [hidden, shared] = [privateFolder(), publicFolder()];
    program(join(hidden, "tool"), "echo private");
    program(join(shared, "tool"), "echo shared");
    const environment = { PATH: `${hidden}:${shared}` };
    expect((await run(command("tool", [], { user, environment }))).text).toBe("shared\n");
    expect((await run(command("tool", [], { environment }))).text).toBe("private\n");
  });

  test("a file that the user may not execute is refused, even if root may", async () => {
    const tool = program(join(publicFolder(), "tool"), "echo private", 0o700);
    expect((await run(command(tool))).text).toBe("private\n");
    await expect(createTable().start(command(tool, [], { user }))).rejects.toMatchObject({
      code: "invalid_argument",
      message: `command "${tool}" is not executable by ${user}`,
    });
  });

  test.each(kinds)("a cwd that the user may not enter is refused, on %s", async (_, stdio) => {
    const cwd = join(privateFolder(), "p");
    mkdirSync(cwd, { mode: 0o777 });
    writeFileSync(join(cwd, "secret"), "secret", { mode: 0o644 });
    const before = openDescriptors();
    await expect(createTable().start(command("cat", ["secret"], { user, cwd, stdio }))).rejects.toMatchObject(
      {
        code: "invalid_argument",
        message: `cwd "${cwd}" cannot be used by ${user}: EACCES`,
      },
    );
    expect(openDescriptors()).toEqual(before);
    expect(childrenOf(process.pid)).toEqual([]);
  });

  test("a command can open its stdin, stdout and stderr again by name", async () => {
    const process = await createTable().start(
      script("read -r line < /dev/stdin; echo out $line > /dev/stdout; echo err > /dev/stderr", { user }),
    );
    const output = outputOf(process);
    await process.write("stdin", Buffer.from("in\n"));
    expect(await output).toMatchObject({ stdout: "out in\n", stderr: "err\n", end: { exitCode: 0 } });
  });
});

describe.runIf(process.getuid?.() === 0).each(both)("for user %s", (asUser) => {
  const as = asUser === undefined ? {} : { user: asUser };

  test("a text file without an interpreter is run by /bin/sh", async () => {
    const folder = publicFolder();
    writeFileSync(join(folder, "bare"), 'echo "run $1"', { mode: 0o755 });
    expect(await run(command("./bare", ["x"], { ...as, cwd: folder }))).toEqual({
      text: "run x\n",
      status: "exit status 0",
    });
  });

  test("a missing interpreter is refused with the name of the file", async () => {
    const path = join(publicFolder(), "orphaned");
    writeFileSync(path, "#!/no/such/interpreter\n", { mode: 0o755 });
    await expect(createTable().start(command(path, [], as))).rejects.toMatchObject({
      code: "invalid_argument",
      message: `cannot execute ${path}: the interpreter or loader that it names does not exist`,
    });
  });

  test("argv[0] is the command as the request names it, found directly, by PATH and by a relative path", async () => {
    const folder = publicFolder();
    copyFileSync("/bin/cat", join(folder, "kitty"));
    chmodSync(join(folder, "kitty"), 0o755);
    const PATH = `${folder}:/usr/bin`;
    for (const cmd of ["kitty", "./kitty", join(folder, "kitty")])
      expect(
        (await run(command(cmd, ["/proc/self/cmdline"], { ...as, cwd: folder, environment: { PATH } }))).text,
      ).toBe(`${cmd}\0/proc/self/cmdline\0`);
  });

  test.each([0o077, 0o000, 0o022])("umask is 022, though the agent has %i", async (mask) => {
    const before = process.umask(mask);
    onTestFinished(() => void process.umask(before));
    expect((await run(script("umask", as))).text).toBe("0022\n");
  });
});

test("a failure to restore the agent's own properties after a start kills the child", async () => {
  const inherited = {
    during: (start: () => void) => {
      start();
      throw new Error("cannot restore");
    },
  } as unknown as InheritedProperties;
  // The reaper runs as long as there is a table.
  createTable();
  for (const start of [
    (stdio: ReturnType<typeof openPipes>) =>
      spawn(
        {
          path: "/bin/sleep",
          name: "sleep",
          argv: ["sleep", "60"],
          environment: [],
          cwd: "/",
          stdio: stdio.child,
        },
        inherited,
      ),
    (stdio: ReturnType<typeof openPipes>) =>
      launch(
        {
          identity: undefined,
          cgroupProcs: undefined,
          cwd: "/",
          fallbackCwd: undefined,
          command: "/bin/sleep",
          argv: ["sleep", "60"],
          environment: [],
          stdio: stdio.child,
        },
        inherited,
      ),
  ]) {
    const stdio = openPipes(true);
    expect(() => start(stdio)).toThrow("cannot restore");
    stdio.abandon();
    await eventually(
      "no child is left",
      () => childrenOf(process.pid).length === 0,
      () => childrenOf(process.pid),
    );
  }
});
