// Which file a command names, and the error for one that cannot be started. A failed start leaves
// nothing behind.

import { chmodSync, closeSync, copyFileSync, mkdirSync, openSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { StartRequest } from "../../../src/process/index.ts";
import { outputOf } from "../../support/agent/process-output.ts";
import { createTable } from "../../support/agent/process-table.ts";
import { command, PTY } from "../../support/clients/start-requests.ts";
import { openDescriptors } from "../../support/proc/open-descriptors.ts";
import { childrenOf } from "../../support/proc/proc.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

test("a command is looked up in the process's PATH, not in the agent's", async () => {
  const folder = createTempFolder();
  program(join(folder, "holdfast-only-here"), "mine");

  expect(await run(command("holdfast-only-here", [], { environment: { PATH: `/nowhere:${folder}` } }))).toBe(
    "mine",
  );
  await refusal(
    command("holdfast-only-here"),
    "invalid_argument",
    /^command "holdfast-only-here" not found in PATH "/,
  );
  await refusal(
    command("ls", [], { environment: { PATH: folder } }),
    "invalid_argument",
    `command "ls" not found in PATH "${folder}"`,
  );
});

test("the first executable file in PATH wins, and files that cannot be executed are skipped", async () => {
  const folder = createTempFolder();
  for (const name of ["a", "b", "c"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "a", "tool"), "#!/bin/sh\necho a\n");
  program(join(folder, "b", "tool"), "b");
  program(join(folder, "c", "tool"), "c");
  mkdirSync(join(folder, "tool"));

  const PATH = ["", "/a", "/b", "/c"].map((name) => folder + name).join(":");
  expect(await run(command("tool", [], { environment: { PATH } }))).toBe("b");
});

test("relative and empty entries of PATH start at the cwd of the process", async () => {
  const folder = createTempFolder();
  mkdirSync(join(folder, "bin"));
  program(join(folder, "bin", "tool"), "relative");
  program(join(folder, "here"), "empty");

  expect(await run(command("tool", [], { cwd: folder, environment: { PATH: "bin" } }))).toBe("relative");
  expect(await run(command("here", [], { cwd: folder, environment: { PATH: "" } }))).toBe("empty");
  expect(await run(command("here", [], { cwd: folder, environment: { PATH: "/nowhere:" } }))).toBe("empty");
});

test("./cmd and sub/cmd start at the cwd of the process, with any PATH", async () => {
  const folder = createTempFolder();
  mkdirSync(join(folder, "sub"));
  program(join(folder, "tool"), "dot");
  program(join(folder, "sub", "tool"), "sub");

  expect(await run(command("./tool", [], { cwd: folder }))).toBe("dot");
  expect(await run(command("sub/tool", [], { cwd: folder }))).toBe("sub");
  expect(await run(command("../tool", [], { cwd: join(folder, "sub") }))).toBe("dot");
  await refusal(command("./tool", [], { cwd: "/" }), "invalid_argument", `command "./tool" does not exist`);
});

test("../cmd starts at the real parent of the cwd, as in a shell, if the cwd is a link", async () => {
  const folder = createTempFolder();
  mkdirSync(join(folder, "real", "sub"), { recursive: true });
  symlinkSync("real/sub", join(folder, "link"));
  program(join(folder, "real", "tool"), "beside the real folder");
  program(join(folder, "tool"), "beside the link");

  expect(await run(command("../tool", [], { cwd: join(folder, "link") }))).toBe("beside the real folder");
});

test("a copied binary and a script with an interpreter both run by their absolute path", async () => {
  const folder = createTempFolder();
  copyFileSync("/bin/echo", join(folder, "my echo"));
  chmodSync(join(folder, "my echo"), 0o755);
  program(join(folder, "script"), "script");

  expect(await run(command(join(folder, "my echo"), ["binary"]))).toBe("binary");
  expect(await run(command(join(folder, "script")))).toBe("script");
});

test("a file that cannot be executed is refused with the reason", async () => {
  const folder = createTempFolder();
  const file = (name: string, text: string, mode: number) => {
    writeFileSync(join(folder, name), text, { mode });
    return join(folder, name);
  };
  const plain = file("plain", "#!/bin/sh\n", 0o644);
  const binary = file("binary", "no\0program\n", 0o755);
  const orphaned = file("orphaned", "#!/no/such/interpreter\n", 0o755);
  const loop = join(folder, "loop");
  symlinkSync("loop", loop);

  const invalid = "invalid_argument";
  await refusal(command(""), invalid, /^cmd is empty/);
  await refusal(command("holdfast-nowhere"), invalid, /^command "holdfast-nowhere" not found in PATH "/);
  await refusal(command(join(folder, "none")), invalid, `command "${join(folder, "none")}" does not exist`);
  await refusal(command(join(plain, "x")), invalid, `command "${join(plain, "x")}" does not exist`);
  await refusal(command(plain), invalid, `command "${plain}" is not executable`);
  await refusal(
    command("plain", [], { environment: { PATH: folder } }),
    invalid,
    `command "plain" is not executable`,
  );
  await refusal(command(folder), invalid, `command "${folder}" is a directory, not an executable`);
  await refusal(command("."), invalid, /^command "." is a directory/);
  await refusal(command(loop), invalid, `command "${loop}" cannot be executed: ELOOP`);
  await refusal(command("x".repeat(300)), invalid, /^command "x{300}" cannot be executed: ENAMETOOLONG/);
  await refusal(command(binary), invalid, `cannot execute ${binary}: exec format error (ENOEXEC)`);
  await refusal(
    command(orphaned),
    invalid,
    `cannot execute ${orphaned}: the interpreter or loader that it names does not exist`,
  );
});

test("a text file without an interpreter is run by /bin/sh, as in a shell", async () => {
  const folder = createTempFolder();
  writeFileSync(join(folder, "bare"), 'echo "$0 $*"\n', { mode: 0o755 });
  writeFileSync(join(folder, "empty"), "", { mode: 0o755 });

  expect(await run(command(join(folder, "bare"), ["a", "b"]))).toBe(`${join(folder, "bare")} a b`);
  expect(await run(command("bare", ["c"], { environment: { PATH: folder } }))).toBe(
    `${join(folder, "bare")} c`,
  );
  expect(await run(command(join(folder, "empty")))).toBe("");
});

test("a file that is open for writing is unavailable: a retry may succeed", async () => {
  const path = join(createTempFolder(), "busy");
  copyFileSync("/bin/echo", path);
  chmodSync(path, 0o755);
  const fd = openSync(path, "r+");
  onTestFinished(() => closeSync(fd));

  await refusal(
    command(path),
    "unavailable",
    `cannot execute ${path}: a program has it open for writing (ETXTBSY); try again when it is closed`,
  );
});

test("256 entries of PATH are searched, and more are refused unless the command is a path", async () => {
  const folder = createTempFolder();
  program(join(folder, "tool"), "found");
  const pathOf = (entries: number) => [...Array(entries - 1).fill("/nowhere"), folder].join(":");

  expect(await run(command("tool", [], { environment: { PATH: pathOf(256) } }))).toBe("found");
  const PATH = pathOf(257);
  await refusal(command("tool", [], { environment: { PATH } }), "invalid_argument", /^PATH has 257 entries/);
  expect(await run(command(join(folder, "tool"), [], { environment: { PATH } }))).toBe("found");
});

test("a NUL byte is refused in every field, naming the place", async () => {
  const invalid = "invalid_argument";
  await refusal(command("tr\0ue"), invalid, "cmd holds a NUL byte at 2");
  await refusal(command("true", ["a", "b\0"]), invalid, "args[1] holds a NUL byte at 1");
  await refusal(command("true", [], { cwd: "/\0" }), invalid, "cwd holds a NUL byte at 1");
  await refusal(command("true", [], { user: "\0root" }), invalid, "user holds a NUL byte at 0");
  await refusal(
    command("true", [], { environment: { NAME: "va\0lue" } }),
    invalid,
    `envs["NAME"] holds a NUL byte at 2`,
  );
  await refusal(
    command("true", [], { environment: { "NA\0ME": "value" } }),
    invalid,
    `the name of envs["NA\\0ME"] holds a NUL byte at 2`,
  );
});

test("a variable's name that is empty or holds = is refused", async () => {
  for (const name of ["", "=", "A=B"])
    await refusal(
      command("true", [], { environment: { [name]: "x" } }),
      "invalid_argument",
      `envs has the name "${name}": it must not be empty or hold "="`,
    );
});

test("arguments or variables of any size above the kernel's limit are refused", async () => {
  const tooLarge = /^cannot execute (\/\S*)?true: argument list too long \(E2BIG\)$/;
  for (const bytes of [131_072, 5_000_000]) {
    await refusal(command("true", ["x".repeat(bytes)]), "invalid_argument", tooLarge);
    await refusal(
      command("true", [], { environment: { X: "x".repeat(bytes) } }),
      "invalid_argument",
      tooLarge,
    );
  }
  await refusal(command("true", Array(300_000).fill("abc")), "invalid_argument", tooLarge);
});

/**
 * Refused on pipes and on a terminal; nothing stays open, nothing was started, nothing is listed.
 */
async function refusal(request: StartRequest, code: string, message: string | RegExp): Promise<void> {
  // Limits above those of the kernel, so that the kernel refuses.
  const table = createTable({ limits: { maxArgumentBytes: 2 ** 30, maxEnvironmentBytes: 2 ** 30 } });
  for (const stdio of [request.stdio, { kind: "pipes", stdin: false } as const, PTY]) {
    const before = openDescriptors();
    await expect(table.start({ ...request, stdio })).rejects.toMatchObject({
      name: "HoldfastError",
      code,
      message: typeof message === "string" ? message : expect.stringMatching(message),
    });
    expect(openDescriptors()).toEqual(before);
    expect(childrenOf(process.pid)).toEqual([]);
    expect(table.list()).toEqual([]);
  }
}

async function run(request: StartRequest): Promise<string> {
  const { stdout, stderr } = await outputOf(await createTable().start(request));
  expect(stderr).toBe("");
  return stdout.trimEnd();
}

function program(path: string, says: string): void {
  writeFileSync(path, `#!/bin/sh\necho "${says}"\n`, { mode: 0o755 });
}
