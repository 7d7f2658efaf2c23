// `holdfast cp` against a real agent. The agent's files are on the same machine, in another folder.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { startCuttingProxy } from "../../support/network/cutting-proxy.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { finished, holdfast, holdfastOnTerminal } from "../holdfast.ts";
import { contentOf, describeTree, makeTree } from "./tree.ts";

const agent = agentForFile();
let here = "";
let there = "";
beforeEach(() => {
  const folder = createTempFolder();
  [here, there] = [join(folder, "here"), join(folder, "there")];
  mkdirSync(here);
  mkdirSync(there);
});

const cp = (...args: string[]) => finished(holdfast(agent.url, ["cp", ...args], { cwd: here }));
const done = { code: 0, stdout: "", stderr: "" };
const write = (folder: string, name: string, content: string | Buffer = name) =>
  writeFileSync(join(folder, name), content);
const read = (folder: string, name: string) => readFileSync(join(folder, name), "utf8");
const list = (folder: string) => readdirSync(folder).sort();

describe("where a copy goes", () => {
  test("a file is copied under a new name, over a file, and into a directory, in both directions", async () => {
    write(here, "file");
    expect(await cp("file", `:${there}/new`)).toEqual(done);
    write(there, "old", "before");
    expect(await cp("file", `:${there}/old`)).toEqual(done);
    expect(await cp("file", `:${there}`)).toEqual(done);
    mkdirSync(join(there, "sub"));
    expect(await cp("file", `:${there}/sub/`)).toEqual(done);
    expect(["new", "old", "file", "sub/file"].map((name) => read(there, name))).toEqual(
      Array(4).fill("file"),
    );

    write(there, "remote");
    expect(await cp(`:${there}/remote`, "new")).toEqual(done);
    write(here, "old", "before");
    expect(await cp(`:${there}/remote`, "old")).toEqual(done);
    expect(await cp(`:${there}/remote`, ".")).toEqual(done);
    mkdirSync(join(here, "sub"));
    expect(await cp(`:${there}/remote`, "sub/")).toEqual(done);
    expect(["new", "old", "remote", "sub/remote"].map((name) => read(here, name))).toEqual(
      Array(4).fill("remote"),
    );
  });

  test("several sources go into a directory that exists, and only there", async () => {
    write(here, "one");
    write(here, "two");
    expect(await cp("one", "two", `:${there}`)).toEqual(done);
    expect(list(there)).toEqual(["one", "two"]);
    expect(await cp("one", "two", `:${there}/three`)).toEqual({
      ...done,
      code: 1,
      stderr: `holdfast: :${there}/three is not a directory: several sources need one that exists; make it first\n`,
    });
    mkdirSync(join(here, "sub"));
    write(join(here, "sub"), "one", "another");
    expect((await cp("one", "sub/one", `:${there}`)).stderr).toBe(
      `holdfast: two sources would become :${there}/one: copy them one after the other\n`,
    );
    expect(read(there, "one")).toBe("one");
  });

  test("a directory becomes the target, or goes into one that exists; with /. only its content does", async () => {
    mkdirSync(join(here, "dir"));
    write(join(here, "dir"), "x");
    expect(await cp("dir", `:${there}/new`)).toEqual(done);
    expect(await cp("dir", `:${there}/new`)).toEqual(done);
    expect(await cp("dir/.", `:${there}`)).toEqual(done);
    expect(await cp("-r", "dir", `:${there}/with-slash/`)).toEqual(done);
    expect(Object.keys(describeTree(there))).toEqual([
      ...["new", "new/dir", "new/dir/x", "new/x", "with-slash", "with-slash/x", "x"],
    ]);
    expect(await cp(`:${there}/new`, ".")).toEqual(done);
    expect(await cp(`:${there}/new/.`, "content")).toEqual(done);
    expect(list(join(here, "new"))).toEqual(["dir", "x"]);
    expect(list(join(here, "content"))).toEqual(["dir", "x"]);
  });

  test.each([
    [
      "a file into a directory that is missing",
      ["file", ":{there}/no/"],
      ":{there}/no/ does not exist: make it first (holdfast run -- mkdir -p {there}/no/), or leave out the slash at its end",
    ],
    [
      "a file below a directory that is missing",
      ["file", ":{there}/no/x"],
      ":{there}/no does not exist: make it first (holdfast run -- mkdir -p {there}/no)",
    ],
    [
      "a download below a directory that is missing",
      [":{there}/f", "no/x"],
      "no does not exist: make it first (mkdir -p no)",
    ],
    ["a directory over a file", ["dir", ":{there}/f"], "dir is a directory, and :{there}/f is not"],
    [
      "a file over a directory in the target",
      ["file", ":{there}/sub"],
      ":{there}/sub/file is a directory, and file is not",
    ],
    [
      "a source that is missing here",
      ["no", ":{there}"],
      'on this machine: cannot read "no": it does not exist (ENOENT); a path on the agent begins with ":"',
    ],
    [
      "a source that is missing there",
      [":{there}/no", "."],
      'on the agent: cannot read "{there}/no": it does not exist (ENOENT); holdfast ls :{there} lists what is there',
    ],
    [
      "two paths of this machine",
      ["file", "x"],
      'file and x are both on this machine: a path on the agent begins with ":"',
    ],
    ["two paths of the agent", [":a", ":b"], ":a and :b are both on the agent: holdfast run -- cp -r a b"],
    [
      "the name of a container",
      ["web:/etc/hosts", "."],
      'a path on the agent begins with ":", as in :/etc/hosts; --context or --url names the agent',
    ],
    [
      "stdin into a directory",
      ["-", ":{there}"],
      ':{there} is a directory: name the file in it, because "-" has no name',
    ],
    [
      "stdin among several",
      ["-", "file", ":{there}"],
      '"-" reads stdin and has no name, so it cannot be one of several sources',
    ],
    [
      "several to stdout",
      [":a", ":b", "-"],
      '"-" writes to stdout and takes one source; holdfast cat joins several files',
    ],
    [
      "JSON and content on stdout",
      ["--json", ":a", "-"],
      '--json and "-" would both write to stdout: leave out one of them',
    ],
  ])("%s is an error that names the fix", async (_, args, message) => {
    const filled = (text: string) => text.replaceAll("{there}", there);
    write(here, "file");
    mkdirSync(join(here, "dir"));
    write(there, "f");
    mkdirSync(join(there, "sub/file"), { recursive: true });
    expect(await cp(...args.map(filled))).toEqual({
      ...done,
      code: 1,
      stderr: `holdfast: ${filled(message)}\n`,
    });
  });
});

test("local errors, errors of the agent and errors of the connection are three messages", async () => {
  write(here, "file");
  chmodSync(here, 0o755);
  const away = await finished(holdfast("http://127.0.0.1:1", ["cp", "file", ":x"], { cwd: here }));
  expect(away.stderr).toBe(
    "holdfast: no agent at http://127.0.0.1:1: nothing listens there (--url or HOLDFAST_URL says where it is)\n",
  );
  expect((await cp("file/x", ":x")).stderr).toBe(
    'holdfast: on this machine: cannot read "file/x": a part of it is a file and not a directory (ENOTDIR)\n',
  );
  write(there, "f");
  expect((await cp(`:${there}/f/x`, ".")).stderr).toMatch(
    /^holdfast: on the agent: cannot read .* does not exist/,
  );
  const socket = await finished(holdfast(`unix:${here}/no`, ["cp", "file", ":x"], { cwd: here }));
  expect(socket.stderr).toMatch(/^holdfast: no agent at unix:.*: there is no such socket /);
});

test("permissions are kept in both directions, also over a file that exists", async () => {
  write(here, "script");
  chmodSync(join(here, "script"), 0o751);
  await cp("script", `:${there}/new`);
  write(there, "old");
  await cp("script", `:${there}/old`);
  await cp(`:${there}/new`, "back");
  expect([join(there, "new"), join(there, "old"), join(here, "back")].map(modeOf)).toEqual(
    Array(3).fill(0o751),
  );
});

const modeOf = (path: string) => statSync(path).mode & 0o777;

test.runIf(process.getuid?.() === 0)("--user makes files of that user, in its home", async () => {
  write(here, "file");
  chmodSync(there, 0o777);
  expect(await cp("--user", "nobody", "file", `:${there}/theirs`)).toEqual(done);
  expect(statSync(join(there, "theirs")).uid).toBe(65534);
  expect((await cp("--user", "no-such-user", "file", `:${there}/x`)).stderr).toMatch(/no-such-user/);
});

test("a directory keeps names, permissions, times and links, there and back", async () => {
  makeTree(join(here, "tree"));
  expect(await cp("tree", `:${there}`)).toEqual(done);
  expect(describeTree(join(there, "tree"))).toEqual(describeTree(join(here, "tree")));
  expect(await cp(`:${there}/tree`, "back")).toEqual(done);
  expect(describeTree(join(here, "back"))).toEqual(describeTree(join(here, "tree")));
});

test("--exclude leaves out, and --links decides about links that lead out", async () => {
  mkdirSync(join(here, "dir/node_modules"), { recursive: true });
  write(join(here, "dir"), "x");
  write(join(here, "dir/node_modules"), "y");
  symlinkSync("/etc/passwd", join(here, "dir/out"));
  const refused = await cp("--exclude", "node_modules", "dir", `:${there}/refused`);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(
    /^holdfast: on the agent: "out" in the archive .*use --links skip or --links keep\n$/,
  );
  const skipped = await cp("--exclude", "node_modules", "--links", "skip", "dir", `:${there}/skipped`);
  expect(skipped).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/^holdfast: left out of dir: out \(/),
  });
  expect(list(join(there, "skipped"))).toEqual(["x"]);
  await cp("--links", "keep", "dir", `:${there}/kept`);
  expect(list(join(there, "kept"))).toEqual(["node_modules", "out", "x"]);
  const back = await cp(`:${there}/kept`, "back");
  expect(back.code).toBe(1);
  expect(back.stderr).toMatch(
    /^holdfast: on this machine: "out" in the archive .*--links skip or --links keep\n$/,
  );
  expect(await cp("--exclude", "node_modules", "--exclude", "out", `:${there}/kept`, "clean")).toEqual(done);
  expect(list(join(here, "clean"))).toEqual(["x"]);
});

test("stdin and stdout are pipes for any bytes, and for a directory an archive", async () => {
  const content = contentOf(3_000_000);
  const command = holdfast(agent.url, ["cp", "-", `:${there}/big`], { stdin: "pipe" });
  command.child.stdin?.end(content);
  expect(await finished(command)).toEqual(done);
  expect(readFileSync(join(there, "big")).equals(content)).toBe(true);

  const out = holdfast(agent.url, ["cp", `:${there}/big`, "-"], {});
  const pieces: Buffer[] = [];
  out.child.stdout
    ?.removeAllListeners("data")
    .on("data", (piece: Buffer | string) => void pieces.push(Buffer.from(piece)));
  await out.exited();
  expect(existsSync(join(there, "big"))).toBe(true);

  const tar = await finished(
    holdfast(agent.url, [], {
      program: ["sh", "-c", `'${process.execPath}' dist/cli/main.cjs cp ':${there}' - | tar t`],
    }),
  );
  expect(tar.stdout.split("\n").sort()).toEqual(["", "./", "big"]);
});

test("one source that fails does not stop the others, and the exit code is 1", async () => {
  mkdirSync(join(there, "sub"));
  write(there, "a");
  write(there, "b");
  mkdirSync(join(here, "b"));
  write(here, "c");
  const socket = await cp(`:${there}/a`, `:${there}/sub`, ".");
  expect(socket).toEqual(done);
  symlinkSync("nowhere", join(there, "unreadable"));
  const some = await cp(`:${there}/unreadable`, `:${there}/a`, ".");
  expect(some.code).toBe(1);
  expect(some.stderr).toMatch(/^holdfast: on the agent: [^\n]*\n$/);
  expect(read(here, "a")).toBe("a");
});

test("entries that cannot be copied are named, the others are copied, and the exit code is 1", async () => {
  mkdirSync(join(here, "dir"));
  execFileSync("mkfifo", [join(here, "dir/pipe")]);
  write(join(here, "dir"), "x");
  const up = await cp("dir", `:${there}/up`);
  expect(up).toEqual({ ...done, code: 1, stderr: "holdfast: left out of dir: pipe (it is a FIFO)\n" });
  expect(list(join(there, "up"))).toEqual(["x"]);
  execFileSync("mkfifo", [join(there, "up/pipe")]);
  const stderr = `holdfast: left out of :${there}/up: pipe (it is a FIFO)\n`;
  expect(await cp(`:${there}/up`, "down")).toEqual({ ...done, code: 1, stderr });
  expect(list(join(here, "down"))).toEqual(["x"]);
  const piped = await cp(`:${there}/up`, "-");
  expect([piped.code, piped.stderr]).toEqual([1, stderr]);
  expect((await cp("--exclude", "pipe", "dir", `:${there}/without`)).code).toBe(0);
});

test("--json prints one object for each source and nothing else", async () => {
  write(here, "file", "12345");
  mkdirSync(join(here, "dir"));
  write(join(here, "dir"), "x", "123");
  const { stdout, stderr } = await cp("--json", "file", "dir", `:${there}`);
  expect(stderr).toBe("");
  expect(
    stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { event: "copied", source: "file", target: `:${there}/file`, kind: "file", bytes: 5 },
    {
      ...{ event: "copied", source: "dir", target: `:${there}/dir`, kind: "directory" },
      ...{ files: 1, directories: 1, links: 0, bytes: 3, skipped: 0 },
    },
  ]);
});

test("a signal ends a copy that waits for a pipe", async () => {
  const pipe = join(createTempFolder(), "pipe");
  execFileSync("mkfifo", [pipe]);
  const copy = holdfast(agent.url, ["cp", pipe, `:${pipe}-copy`]);
  // Succeeds when the copy has opened the other end.
  const open = () => openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
  const end = await vi.waitFor(open, { timeout: 10_000 });
  try {
    copy.kill("SIGTERM");
    expect((await copy.exited()).code).toBe(143);
  } finally {
    closeSync(end);
  }
});

describe("when the connection is cut", () => {
  const cuts = { afterBytes: { min: 150_000, max: 700_000 }, kinds: ["rst", "fin"] as const, maxCuts: 8 };

  test("a file continues in both directions, and is whole", async () => {
    const proxy = await startCuttingProxy({ port: agent.port, ...cuts });
    const content = contentOf(6_000_000);
    write(here, "big", content);
    const up = await finished(holdfast(proxy.url, ["cp", "big", `:${there}/big`], { cwd: here }));
    expect(up).toMatchObject({ code: 0, stdout: "" });
    expect(up.stderr).toMatch(/^holdfast: the connection is lost \(.*\): reconnecting\n/);
    expect(up.stderr).toContain("holdfast: reconnected: the transfer continues\n");
    expect(readFileSync(join(there, "big")).equals(content)).toBe(true);
    const again = await startCuttingProxy({ port: agent.port, ...cuts });
    const down = await finished(holdfast(again.url, ["cp", `:${there}/big`, "back"], { cwd: here }));
    expect(down).toMatchObject({ code: 0, stdout: "" });
    expect(readFileSync(join(here, "back")).equals(content)).toBe(true);
    expect(list(here)).toEqual(["back", "big"]);
  });

  test("a directory that no single connection could carry arrives whole, in both directions", async () => {
    makeTree(join(here, "tree"), 900);
    const limited = { afterBytes: { min: 1_900_000, max: 2_600_000 }, kinds: ["rst", "fin"] as const };
    const proxy = await startCuttingProxy({ port: agent.port, ...limited });
    const up = await finished(
      holdfast(proxy.url, ["cp", "tree", `:${there}/tree`], { cwd: here, deadlineMs: 60_000 }),
    );
    expect(up).toMatchObject({ code: 0, stdout: "" });
    expect(proxy.cuts.rst + proxy.cuts.fin).toBeGreaterThan(0);
    expect(describeTree(join(there, "tree"))).toEqual(describeTree(join(here, "tree")));
    const again = await startCuttingProxy({ port: agent.port, ...limited });
    const down = await finished(
      holdfast(again.url, ["cp", `:${there}/tree`, "back"], { cwd: here, deadlineMs: 60_000 }),
    );
    expect(down).toMatchObject({ code: 0, stdout: "" });
    expect(again.cuts.rst + again.cuts.fin).toBeGreaterThan(1);
    expect(describeTree(join(here, "back"))).toEqual(describeTree(join(here, "tree")));
  }, 120_000);

  test("--give-up-after ends with the error of the connection, and leaves the old file", async () => {
    const proxy = await startCuttingProxy({
      port: agent.port,
      afterBytes: { min: 1_000_000, max: 1_000_000 },
      kinds: ["rst"],
    });
    proxy.onCut(() => {
      proxy.refusing = true;
    });
    write(there, "big", contentOf(6_000_000));
    write(here, "big", "old");
    const { code, stderr } = await finished(
      holdfast(proxy.url, ["cp", "--give-up-after", "300ms", `:${there}/big`, "."], { cwd: here }),
    );
    expect({ code, last: stderr.split("\n").at(-2) }).toEqual({
      code: 1,
      last: expect.stringMatching(/^holdfast: /),
    });
    expect(read(here, "big")).toBe("old");
    expect(list(here)).toEqual(["big"]);
  });
});

describe("on a terminal", () => {
  test("a progress bar shows bytes, rate and time, and --quiet and pipes show none", async () => {
    write(here, "big", contentOf(20_000_000));
    const shown = holdfastOnTerminal(agent.url, ["cp", join(here, "big"), `:${there}/big`]);
    expect(await shown.exited()).toBe(0);
    expect(shown.shown()).toMatch(/big .* 0% .* of 19\.1 MiB .* left/);
    expect(shown.shown()).toMatch(/100% {2}19\.1 MiB {2}[\d.]+ [KMG]iB\/s {2}\d:\d\d\S+\r\n$/);
    for (const line of shown.shown().split(/[\r\n]+/))
      expect(line.replace("\u001b[K", "").length).toBeLessThan(80);
    const quiet = holdfastOnTerminal(agent.url, ["cp", "--quiet", `:${there}/big`, join(here, "quiet")]);
    expect(await quiet.exited()).toBe(0);
    expect(quiet.shown()).toBe("");
    expect(await cp(`:${there}/big`, "piped")).toEqual(done);
  });

  test("Ctrl-C removes the unfinished download, keeps the old file, and the exit code is 130", async () => {
    const proxy = await startCuttingProxy({
      port: agent.port,
      afterBytes: { min: 2_000_000, max: 2_000_000 },
      kinds: ["silent"],
    });
    write(there, "big", contentOf(20_000_000));
    write(here, "big", "old");
    const terminal = holdfastOnTerminal(proxy.url, ["cp", `:${there}/big`, join(here, "big")]);
    await terminal.waitFor(/ of 19\.1 MiB/);
    const cut = new Promise<void>((resolve) => proxy.onCut(() => resolve()));
    if (proxy.cuts.silent === 0) await cut;
    await expect.poll(() => list(here).length).toBe(2);
    terminal.type("\u0003");
    expect(await terminal.exited()).toBe(130);
    expect(read(here, "big")).toBe("old");
    expect(list(here)).toEqual(["big"]);
  });
});
