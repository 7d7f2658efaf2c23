// Stat, MakeDir, Move, ListDir and Remove over the wire, in both modes of --file-access.

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, onTestFinished, test } from "vitest";
import { type EntryInfo, FileType } from "../../../src/gen/filesystem_pb.ts";
import { FILE_ACCESS_MODES, useFileAgent } from "../../support/agent/file-agent.ts";
import { fdCount } from "../../support/proc/proc.ts";
import { needPrograms } from "../../support/programs.ts";

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  const agent = useFileAgent(["--file-access", mode]);

  const failure = async (call: Promise<unknown>): Promise<{ code: string; message: string }> => {
    const error = await call.then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!(error instanceof ConnectError)) throw new Error(`no error of the agent: ${String(error)}`);
    return { code: Code[error.code] ?? "", message: error.rawMessage };
  };
  const entryOf = async (path: string): Promise<EntryInfo> => {
    const { entry } = await agent.client.stat({ path });
    if (entry === undefined) throw new Error("no entry");
    return entry;
  };
  const namesIn = async (path: string, depth = 1): Promise<string[]> => {
    const { entries } = await agent.client.listDir({ path, depth });
    return entries.map((entry) => entry.path.slice(path.length + 1));
  };

  describe("Stat", () => {
    test("a file has its size, mode, owner and time", async () => {
      const path = join(agent.newFolder(), "file");
      writeFileSync(path, "12345");
      chmodSync(path, 0o640);
      utimesSync(path, 1_700_000_000.5, 1_700_000_000.5);
      expect(await entryOf(path)).toMatchObject({
        name: "file",
        type: FileType.FILE,
        path,
        size: 5n,
        mode: 0o640,
        permissions: "-rw-r-----",
        owner: "root",
        group: "root",
        modifiedTime: { seconds: 1_700_000_000n, nanos: 500_000_000 },
      });
      expect((await entryOf(path)).symlinkTarget).toBeUndefined();
    });

    test("a directory has a size above 0, and its path stays as it was asked", async () => {
      const folder = agent.newFolder();
      const entry = await entryOf(`${folder}//`);
      expect(entry).toMatchObject({
        type: FileType.DIRECTORY,
        path: `${folder}//`,
        permissions: "drwxrwxrwx",
      });
      expect(entry.size).toBeGreaterThan(0n);
    });

    test("the special bits of a mode are letters in front, as Go prints them", async () => {
      const folder = agent.newFolder();
      for (const [bits, text] of [
        [0o4755, "urwxr-xr-x"],
        [0o2755, "grwxr-xr-x"],
        [0o6755, "ugrwxr-xr-x"],
      ] as const) {
        const path = join(folder, text);
        writeFileSync(path, "");
        chmodSync(path, bits);
        expect((await entryOf(path)).permissions).toBe(text);
      }
      mkdirSync(join(folder, "sticky"));
      chmodSync(join(folder, "sticky"), 0o1777);
      expect((await entryOf(join(folder, "sticky"))).permissions).toBe("dtrwxrwxrwx");
      expect((await entryOf("/dev/null")).permissions).toBe("Dcrw-rw-rw-");
    });

    test("a link has the type and mode of its target, and the resolved path of it", async () => {
      const folder = agent.newFolder();
      mkdirSync(join(folder, "real"), { mode: 0o750 });
      symlinkSync("real", join(folder, "first"));
      symlinkSync("first", join(folder, "second"));
      expect(await entryOf(join(folder, "second"))).toMatchObject({
        type: FileType.DIRECTORY,
        mode: 0o750,
        permissions: "Lrwxrwxrwx",
        symlinkTarget: join(folder, "real"),
      });
    });

    test("a link without a target is a SYMLINK with its own path as its target", async () => {
      const folder = agent.newFolder();
      const [dangling, circle] = [join(folder, "dangling"), join(folder, "circle")];
      symlinkSync("missing", dangling);
      symlinkSync("circle", circle);
      for (const path of [dangling, circle])
        expect(await entryOf(path)).toMatchObject({ type: FileType.SYMLINK, mode: 0, symlinkTarget: path });
    });

    test("an id without a name is shown as a number", async () => {
      const path = join(agent.newFolder(), "file");
      writeFileSync(path, "");
      chownSync(path, 54321, 54322);
      expect(await entryOf(path)).toMatchObject({ owner: "54321", group: "54322" });
    });

    test("a missing path is not_found, also below a file", async () => {
      for (const path of ["/missing", "/etc/passwd/x"])
        expect(await failure(agent.client.stat({ path }))).toMatchObject({ code: "NotFound" });
    });

    test("a path that is too long, or has a NUL, is invalid_argument and says why", async () => {
      expect(await failure(agent.client.stat({ path: `/${"n".repeat(256)}` }))).toEqual({
        code: "InvalidArgument",
        message: expect.stringContaining("a name may have 255 bytes and a path 4095 (ENAMETOOLONG)"),
      });
      expect(await failure(agent.client.stat({ path: "/x".repeat(3000) }))).toEqual({
        code: "InvalidArgument",
        message: expect.stringContaining("is longer than 4095 bytes"),
      });
      expect(await failure(agent.client.stat({ path: "/a\0b" }))).toEqual({
        code: "InvalidArgument",
        message: expect.stringContaining("contains a NUL character"),
      });
    });

    test("~ and relative paths begin at the home; another user's home is invalid_argument", async () => {
      expect((await entryOf("~")).path).toBe(homedir());
      expect((await entryOf("")).path).toBe(homedir());
      expect((await entryOf(".")).path).toBe(`${homedir()}/.`);
      expect(await failure(agent.client.stat({ path: "~nobody" }))).toEqual({
        code: "InvalidArgument",
        message: `path "~nobody" names another user's home; give an absolute path, or ~/ for your own home`,
      });
    });

    test("metadata are the attributes user.e2b., also those that a command set", async () => {
      const path = join(agent.newFolder(), "file");
      writeFileSync(path, "");
      needPrograms("python3");
      execFileSync("python3", [
        "-c",
        `import os; os.setxattr(${JSON.stringify(path)}, "user.e2b.purpose", "é".encode()); os.setxattr(${JSON.stringify(path)}, "user.other", b"x"); os.setxattr(${JSON.stringify(path)}, "user.e2b.bytes", b"\\xff")`,
      ]);
      expect((await entryOf(path)).metadata).toEqual({ purpose: "é" });
    });

    test("a name that is not UTF-8 is shown with U+FFFD and fails nothing", async () => {
      const folder = agent.newFolder();
      const name = Buffer.from([0x61, 0xff, 0x62]);
      writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), name]), "");
      symlinkSync(Buffer.concat([Buffer.from(`${folder}/`), name]), join(folder, "link"));
      const { entries } = await agent.client.listDir({ path: folder });
      expect(entries.map((entry) => entry.name)).toEqual(["a\ufffdb", "link"]);
      expect(entries[1]?.symlinkTarget).toBe(`${folder}/a\ufffdb`);
    });

    test("an unknown user is unauthenticated, and an empty name is the default user", async () => {
      expect(await failure(agent.clientAs("no-such-user").stat({ path: "/" }))).toMatchObject({
        code: "Unauthenticated",
      });
      expect((await agent.clientAs("").stat({ path: "" })).entry?.path).toBe(homedir());
    });
  });

  describe("MakeDir", () => {
    test("the directory and all missing ones above it belong to the user, with mode 0755", async () => {
      const folder = agent.newFolder();
      const path = join(folder, "a/b/c");
      const { entry } = await agent.clientAs("nobody").makeDir({ path });
      expect(entry).toMatchObject({ path, type: FileType.DIRECTORY, owner: "nobody", mode: 0o755 });
      for (const made of ["a", "a/b", "a/b/c"])
        expect(statSync(join(folder, made))).toMatchObject({ uid: 65534, gid: 65534 });
      expect(statSync(folder).uid).toBe(0);
    });

    test("an existing directory is already_exists, also through a link; anything else is invalid_argument", async () => {
      const folder = agent.newFolder();
      symlinkSync(folder, join(folder, "link"));
      writeFileSync(join(folder, "file"), "");
      expect((await failure(agent.client.makeDir({ path: folder }))).code).toBe("AlreadyExists");
      expect((await failure(agent.client.makeDir({ path: join(folder, "link") }))).code).toBe(
        "AlreadyExists",
      );
      expect(await failure(agent.client.makeDir({ path: join(folder, "file") }))).toMatchObject({
        code: "InvalidArgument",
      });
      expect(await failure(agent.client.makeDir({ path: join(folder, "file/below") }))).toEqual({
        code: "InvalidArgument",
        message: `cannot make the directory "${folder}/file/below": "${folder}/file" is not a directory`,
      });
    });
  });

  describe("Move", () => {
    test("a file takes the place of another, and missing directories above it are made", async () => {
      const folder = agent.newFolder();
      writeFileSync(join(folder, "new"), "new");
      writeFileSync(join(folder, "old"), "old");
      const destination = join(folder, "x/y/moved");
      await agent.client.move({ source: join(folder, "new"), destination: join(folder, "old") });
      const { entry } = await agent.client.move({ source: join(folder, "old"), destination });
      expect(entry).toMatchObject({ path: destination, size: 3n });
      expect(readFileSync(destination, "utf8")).toBe("new");
      expect(readdirSync(folder)).toEqual(["x"]);
    });

    test("a missing source is not_found", async () => {
      const folder = agent.newFolder();
      expect(
        await failure(agent.client.move({ source: join(folder, "missing"), destination: join(folder, "x") })),
      ).toMatchObject({ code: "NotFound" });
      expect(readdirSync(folder)).toEqual([]);
    });

    test("a directory replaces an empty directory, and may be moved to itself, as rename(2) does", async () => {
      const folder = agent.newFolder();
      mkdirSync(join(folder, "full/below"), { recursive: true });
      mkdirSync(join(folder, "empty"));
      await agent.client.move({ source: join(folder, "full"), destination: join(folder, "empty") });
      await agent.client.move({ source: join(folder, "empty"), destination: join(folder, "empty") });
      expect(readdirSync(join(folder, "empty"))).toEqual(["below"]);
    });

    test("a move that rename(2) refuses is refused with a reason", async () => {
      const folder = agent.newFolder();
      mkdirSync(join(folder, "a/b"), { recursive: true });
      mkdirSync(join(folder, "full/below"), { recursive: true });
      writeFileSync(join(folder, "file"), "");
      const move = (source: string, destination: string) =>
        failure(agent.client.move({ source: join(folder, source), destination: join(folder, destination) }));
      expect(await move("a", "full")).toMatchObject({
        code: "FailedPrecondition",
        message: expect.stringMatching(/the destination is a directory that is not empty$/),
      });
      expect(await move("a", "a/b/c")).toMatchObject({
        code: "InvalidArgument",
        message: expect.stringMatching(/a directory cannot be moved into itself$/),
      });
      expect(await move("a", "file")).toMatchObject({ code: "FailedPrecondition" });
      expect(await move("file", "a")).toMatchObject({ code: "FailedPrecondition" });
    });

    test("a move to another file system keeps content, mode, owner, times, links, attributes and holes", async () => {
      const folder = agent.newFolder();
      const there = join("/dev/shm", `holdfast-${process.pid}-${mode}`);
      onTestFinished(() => void execFileSync("rm", ["-rf", there]));
      const source = join(folder, "tree");
      mkdirSync(join(source, "sub"), { recursive: true });
      const file = join(source, "sub/file");
      writeFileSync(file, "content");
      chmodSync(file, 0o4711);
      linkSync(file, join(source, "twin"));
      symlinkSync("sub/file", join(source, "link"));
      execFileSync("mkfifo", [join(source, "fifo")]);
      writeFileSync(join(source, "sparse"), "");
      truncateSync(join(source, "sparse"), 64 * 1024 * 1024);
      chownSync(join(source, "sparse"), 54321, 54321);
      utimesSync(join(source, "sub"), 1_600_000_000, 1_600_000_000);
      const before = statSync(file, { bigint: true });
      await agent.client.move({ source, destination: there });
      expect(existsSync(source)).toBe(false);
      const after = statSync(join(there, "sub/file"), { bigint: true });
      expect(readFileSync(join(there, "sub/file"), "utf8")).toBe("content");
      expect(after.mode).toBe(before.mode);
      expect(after.mtimeNs).toBe(before.mtimeNs);
      expect(statSync(join(there, "twin"), { bigint: true }).ino).toBe(after.ino);
      expect(readlinkSync(join(there, "link"))).toBe("sub/file");
      expect(lstatSync(join(there, "fifo")).isFIFO()).toBe(true);
      expect(statSync(join(there, "sparse"))).toMatchObject({ size: 64 * 1024 * 1024, uid: 54321 });
      expect(statSync(join(there, "sparse")).blocks).toBeLessThan(16);
      expect(statSync(join(there, "sub")).mtimeMs).toBe(1_600_000_000_000);
      expect(readdirSync(folder)).toEqual([]);
    });

    test("a directory is not moved into itself, also not into a file system that is mounted in it", async () => {
      const source = join(agent.newFolder(), "source");
      const inside = join(source, "sub/mount");
      mkdirSync(inside, { recursive: true });
      writeFileSync(join(source, "file"), "content");
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "none", inside]);
      onTestFinished(() => void execFileSync("umount", ["--lazy", inside]));
      mkdirSync(join(inside, "below"));
      for (const destination of [join(inside, "new"), join(inside, "below/new")])
        expect(await failure(agent.client.move({ source, destination }))).toEqual({
          code: "InvalidArgument",
          message: expect.stringContaining("cannot be moved into itself"),
        });
      expect(readdirSync(source, { recursive: true }).sort()).toEqual([
        ...["file", "sub", "sub/mount", "sub/mount/below"],
      ]);
    });

    test("a tree that is too deep for a copy is refused, and nothing of the copy stays", async () => {
      const source = join(agent.newFolder(), "source");
      makeChain(source, 1_100);
      const destination = join("/dev/shm", `holdfast-deep-${process.pid}-${mode}`);
      onTestFinished(() => void execFileSync("rm", ["-rf", destination]));
      expect(await failure(agent.client.move({ source, destination }))).toEqual({
        code: "FailedPrecondition",
        message: expect.stringMatching(/more than 1000 directories deep$/),
      });
      expect([existsSync(source), existsSync(destination)]).toEqual([true, false]);
    });

    test("an empty path, / and the home are neither moved nor removed", async () => {
      const destination = join(agent.newFolder(), "x");
      for (const path of ["", "/", "//", "~", "~/", ".", "..", "/tmp/.", "/tmp/.."]) {
        expect((await failure(agent.client.remove({ path }))).code).toBe("InvalidArgument");
        expect((await failure(agent.client.move({ source: path, destination }))).code).toBe(
          "InvalidArgument",
        );
      }
    });
  });

  describe("ListDir", () => {
    test("entries come in the order of their bytes, parents before children, down to the depth", async () => {
      const folder = agent.newFolder();
      mkdirSync(join(folder, "b/d/e"), { recursive: true });
      for (const name of ["a", "b.txt", "B", "b/c", "b/d/f", "é"]) writeFileSync(join(folder, name), "");
      expect(await namesIn(folder)).toEqual(["B", "a", "b", "b.txt", "é"]);
      expect(await namesIn(folder, 0)).toEqual(["B", "a", "b", "b.txt", "é"]);
      expect(await namesIn(folder, 2)).toEqual(["B", "a", "b", "b/c", "b/d", "b.txt", "é"]);
      expect(await namesIn(folder, 9)).toEqual(["B", "a", "b", "b/c", "b/d", "b/d/e", "b/d/f", "b.txt", "é"]);
    });

    test("a link at the root is followed and its path kept; links below are not followed", async () => {
      const folder = agent.newFolder();
      mkdirSync(join(folder, "real/sub"), { recursive: true });
      writeFileSync(join(folder, "real/sub/file"), "");
      symlinkSync("sub", join(folder, "real/link"));
      symlinkSync("real", join(folder, "root"));
      const { entries } = await agent.client.listDir({ path: `${folder}/./root/`, depth: 5 });
      expect(entries.map(({ path }) => path)).toEqual(
        ["link", "sub", "sub/file"].map((name) => join(folder, "root", name)),
      );
      expect(entries[0]).toMatchObject({ type: FileType.DIRECTORY, symlinkTarget: join(folder, "real/sub") });
    });

    test("a link without a target, a FIFO and a socket are listed", async () => {
      const folder = agent.newFolder();
      symlinkSync("missing", join(folder, "dangling"));
      execFileSync("mkfifo", [join(folder, "fifo")]);
      const server = createServer().listen(join(folder, "socket"));
      onTestFinished(() => void server.close());
      const { entries } = await agent.client.listDir({ path: folder });
      expect(entries.map(({ name, type }) => [name, type])).toEqual([
        ["dangling", FileType.SYMLINK],
        ["fifo", FileType.UNSPECIFIED],
        ["socket", FileType.UNSPECIFIED],
      ]);
    });

    test("a missing root is not_found, and a file is an error that says so", async () => {
      expect((await failure(agent.client.listDir({ path: "/missing" }))).code).toBe("NotFound");
      const path = join(agent.newFolder(), "file");
      writeFileSync(path, "");
      expect(await failure(agent.client.listDir({ path }))).toEqual({
        code: "InvalidArgument",
        message: `cannot list "${path}": it is not a directory (ENOTDIR)`,
      });
      const circle = join(agent.newFolder(), "circle");
      symlinkSync("circle", circle);
      expect((await failure(agent.client.listDir({ path: circle }))).code).toBe("FailedPrecondition");
    });

    test("pages continue where the last one ended, also after additions before it", async () => {
      const folder = agent.newFolder();
      mkdirSync(join(folder, "b/d"), { recursive: true });
      for (const name of ["a", "b/c", "b/d/x", "b/e", "c"]) writeFileSync(join(folder, name), "");
      const seen: string[] = [];
      let page = "";
      do {
        const answer = await agent.client.listDir({ path: folder, depth: 3, pageSize: 2, page });
        seen.push(...answer.entries.map(({ path }) => path.slice(folder.length + 1)));
        page = answer.nextPage;
        writeFileSync(join(folder, `0-${seen.length}`), "");
      } while (page !== "");
      expect(seen).toEqual(["a", "b", "b/c", "b/d", "b/d/x", "b/e", "c"]);
      expect((await failure(agent.client.listDir({ path: folder, pageSize: 2, page: "?" }))).code).toBe(
        "InvalidArgument",
      );
    });

    test("a directory that cannot be read leaves the others listed, and pages name it", async () => {
      const folder = agent.newFolder();
      for (const name of ["a", "locked", "z"]) mkdirSync(join(folder, name));
      writeFileSync(join(folder, "z/file"), "");
      chmodSync(join(folder, "locked"), 0o700);
      const client = agent.clientAs("nobody");
      const { entries, unreadable } = await client.listDir({ path: folder, depth: 2, pageSize: 100 });
      expect(entries.map(({ name }) => name)).toEqual(["a", "locked", "z", "file"]);
      expect(unreadable).toEqual(mode === "user" ? [join(folder, "locked")] : []);
    });

    test("an entry that disappears while the directory is listed is left out", async () => {
      const folder = agent.newFolder();
      let stop = false;
      const churn = (async () => {
        for (let round = 0; !stop; round++) {
          mkdirSync(join(folder, `d${round}`));
          writeFileSync(join(folder, `d${round}/f`), "");
          unlinkSync(join(folder, `d${round}/f`));
          renameSync(join(folder, `d${round}`), join(folder, "moved"));
          execFileSync("rmdir", [join(folder, "moved")]);
          await new Promise(setImmediate);
        }
      })();
      for (let round = 0; round < 50; round++) await agent.client.listDir({ path: folder, depth: 3 });
      stop = true;
      await churn;
    });
  });

  describe("Remove", () => {
    test("a tree is removed, and links in it are removed and not followed", async () => {
      const folder = agent.newFolder();
      mkdirSync(join(folder, "tree/a/b/c"), { recursive: true });
      mkdirSync(join(folder, "outside"));
      writeFileSync(join(folder, "outside/kept"), "");
      writeFileSync(join(folder, "tree/a/b/file"), "");
      symlinkSync(join(folder, "outside"), join(folder, "tree/a/link"));
      symlinkSync(join(folder, "outside"), join(folder, "link"));
      await agent.client.remove({ path: join(folder, "tree") });
      await agent.client.remove({ path: join(folder, "link/") });
      expect(readdirSync(folder)).toEqual(["outside"]);
      expect(readdirSync(join(folder, "outside"))).toEqual(["kept"]);
    });

    test("a missing path is success, also below a file", async () => {
      await agent.client.remove({ path: join(agent.newFolder(), "missing/x") });
      await agent.client.remove({ path: "/etc/passwd/x" });
    });
  });

  describe("rights", () => {
    test("a tree of 10,000 levels is removed, and leaves no descriptor open", async () => {
      const top = join(agent.newFolder(), "top");
      makeChain(top, 10_000);
      await agent.client.remove({ path: join(top, "nothing") });
      const before = fdCount(agent.pid);
      await agent.client.remove({ path: top });
      expect(existsSync(top)).toBe(false);
      // Fewer if a connection of an earlier test has closed meanwhile.
      expect(fdCount(agent.pid)).toBeLessThanOrEqual(before);
    });

    test("nobody reads and removes root's private files only with the agent's rights", async () => {
      const folder = agent.newFolder();
      mkdirSync(join(folder, "private/sub"), { recursive: true, mode: 0o700 });
      const client = agent.clientAs("nobody");
      const path = join(folder, "private/sub");
      if (mode === "user") {
        expect(await failure(client.stat({ path }))).toEqual({
          code: "PermissionDenied",
          message: `cannot look up "${path}": permission denied (EACCES)`,
        });
        expect((await failure(client.remove({ path }))).code).toBe("PermissionDenied");
        expect((await failure(client.makeDir({ path: "/etc/x" }))).code).toBe("PermissionDenied");
        expect(existsSync(path)).toBe(true);
      } else {
        expect((await client.stat({ path })).entry?.name).toBe("sub");
        await client.remove({ path });
        expect(existsSync(path)).toBe(false);
      }
    });
  });
});

/** Directories in each other. Paths end at 4095 bytes, so each is made in the one before. */
function makeChain(top: string, levels: number): void {
  const script =
    "import os, sys\nfor name in [sys.argv[1]] + ['d'] * int(sys.argv[2]): os.mkdir(name); os.chdir(name)";
  execFileSync("python3", ["-c", script, top, String(levels)]);
}
