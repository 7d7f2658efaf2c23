// Watches over the wire: the events of a directory, streamed and polled, and what happens to them in
// storms, cuts and overflows.

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { EventType, FileType } from "../../../src/gen/filesystem_pb.ts";
import { FILE_ACCESS_MODES, useFileAgent } from "../../support/agent/file-agent.ts";
import { openWatch, textOf } from "../../support/clients/watch-stream.ts";
import { eventually } from "../../support/proc/proc.ts";
import { needPrograms } from "../../support/programs.ts";

/** The lines of the kernel about watches of one descriptor. */
function watchLines(pid: number, fd: string): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8");
    return text.split("\n").filter((line) => line.startsWith("inotify wd"));
  } catch {
    // The descriptor is closed meanwhile.
    return [];
  }
}

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  const agent = useFileAgent(["--file-access", mode, "--max-watchers", "600"]);

  const failure = async (call: Promise<unknown>): Promise<{ code: string; message: string }> => {
    const error = await call.then(
      () => undefined,
      (error: unknown) => error,
    );
    if (!(error instanceof ConnectError)) throw new Error(`no error of the agent: ${String(error)}`);
    return { code: Code[error.code] ?? "", message: error.rawMessage };
  };
  const poll = async (watcherId: string): Promise<string[]> => {
    const { events } = await agent.client.getWatcherEvents({ watcherId });
    return events.map(textOf);
  };
  const createWatcher = async (path: string, more: { recursive?: boolean; exclude?: string[] } = {}) => {
    const { watcherId } = await agent.client.createWatcher({ path, ...more });
    return watcherId;
  };
  /** Makes a file that ends a test: everything before it was told. */
  const end = (folder: string) => writeFileSync(join(folder, "end"), "");
  const hasEnd = (names: string[]) => names.includes("CREATE end");

  describe("one directory", () => {
    test("each change has its event, in the order of the changes", async () => {
      const folder = agent.newFolder();
      const watch = await openWatch(agent.client, { path: folder });
      const file = join(folder, "file");
      writeFileSync(file, "x");
      chmodSync(file, 0o600);
      renameSync(file, join(folder, "renamed"));
      unlinkSync(join(folder, "renamed"));
      mkdirSync(join(folder, "sub"));
      writeFileSync(join(folder, "sub/not-told"), "");
      end(folder);
      await watch.until(hasEnd);
      expect(watch.names()).toEqual([
        "CREATE file",
        "WRITE file",
        "CHMOD file",
        "RENAME file",
        "CREATE renamed",
        "REMOVE renamed",
        "CREATE sub",
        "CREATE end",
      ]);
    });

    test("a poll answers everything that happened before it, once", async () => {
      const folder = agent.newFolder();
      const id = await createWatcher(folder);
      expect(id).toMatch(/^w[a-z0-9]{20}$/);
      writeFileSync(join(folder, "a"), "x");
      expect(await poll(id)).toEqual(["CREATE a", "WRITE a"]);
      expect(await poll(id)).toEqual([]);
      await agent.client.removeWatcher({ watcherId: id });
      expect((await failure(agent.client.getWatcherEvents({ watcherId: id }))).code).toBe("NotFound");
      expect((await failure(agent.client.removeWatcher({ watcherId: id }))).code).toBe("NotFound");
    });

    test("events carry the entry only if asked, and never on REMOVE and RENAME", async () => {
      const folder = agent.newFolder();
      const watch = await openWatch(agent.client, { path: folder, includeEntry: true });
      writeFileSync(join(folder, "kept"), "12345");
      writeFileSync(join(folder, "gone"), "");
      unlinkSync(join(folder, "gone"));
      end(folder);
      await watch.until(hasEnd);
      const entryOf = (text: string) => watch.events.find((event) => textOf(event) === text)?.entry;
      expect(entryOf("WRITE kept")).toMatchObject({
        name: "kept",
        path: join(folder, "kept"),
        type: FileType.FILE,
        size: 5n,
      });
      expect(entryOf("REMOVE gone")).toBeUndefined();
      const without = await createWatcher(folder);
      writeFileSync(join(folder, "other"), "");
      const { events } = await agent.client.getWatcherEvents({ watcherId: without });
      expect(events[0]?.entry).toBeUndefined();
    });

    test("a name that is not UTF-8 is reported with U+FFFD, and the watch continues", async () => {
      const folder = agent.newFolder();
      const watch = await openWatch(agent.client, { path: folder });
      writeFileSync(Buffer.concat([Buffer.from(`${folder}/a`), Buffer.from([0xff])]), "");
      end(folder);
      await watch.until(hasEnd);
      expect(watch.names()).toEqual(["CREATE a\ufffd", "CREATE end"]);
    });

    test("a missing root is not_found, and a file is invalid_argument with a clean text", async () => {
      const path = join(agent.newFolder(), "file");
      writeFileSync(path, "");
      expect(await failure(agent.client.createWatcher({ path }))).toEqual({
        code: "InvalidArgument",
        message: `cannot watch "${path}": it is not a directory`,
      });
      expect((await failure(agent.client.createWatcher({ path: `${path}-missing` }))).code).toBe("NotFound");
    });

    test.each(["0", "-1", "99999999999999999999", "x"])(
      "with Keepalive-Ping-Interval: %s the default interval is used",
      async (value) => {
        const folder = agent.newFolder();
        const watch = await openWatch(agent.client, { path: folder }, { "Keepalive-Ping-Interval": value });
        end(folder);
        await watch.until(hasEnd);
      },
    );

    test("an idle stream gets keepalives as often as its client asks", async () => {
      const watch = await openWatch(
        agent.client,
        { path: agent.newFolder() },
        { "Keepalive-Ping-Interval": "1" },
      );
      await watch.until(() => watch.keepalives() >= 2);
      expect(watch.names()).toEqual([]);
    });

    test("a stream ends with deadline_exceeded at its time limit", async () => {
      const error = await agent.client
        .watchDir({ path: agent.newFolder() }, { timeoutMs: 500 })
        [Symbol.asyncIterator]()
        .next()
        .then(() => undefined);
      expect(error).toBeUndefined();
      const stream = agent.client.watchDir({ path: agent.newFolder() }, { timeoutMs: 500 });
      const ended = (async () => {
        for await (const _ of stream);
      })();
      expect((await failure(ended)).code).toBe("DeadlineExceeded");
    });
  });

  describe("recursive", () => {
    test("a new directory is announced with everything in it, each name once", async () => {
      const folder = agent.newFolder();
      const watch = await openWatch(agent.client, { path: folder, recursive: true });
      mkdirSync(join(folder, "a/b/c"), { recursive: true });
      writeFileSync(join(folder, "a/b/c/file"), "content");
      writeFileSync(join(folder, "a/b/empty"), "");
      end(folder);
      await watch.until((names) => hasEnd(names) && names.includes("WRITE a/b/c/file"));
      const created = watch.names().filter((name) => name.startsWith("CREATE"));
      expect(created.sort()).toEqual(
        ["a", "a/b", "a/b/c", "a/b/c/file", "a/b/empty", "end"].map((name) => `CREATE ${name}`),
      );
    });

    test("mv a b; mkdir a: events have the new names of both directories", async () => {
      const folder = agent.newFolder();
      mkdirSync(join(folder, "a"));
      const watch = await openWatch(agent.client, { path: folder, recursive: true });
      renameSync(join(folder, "a"), join(folder, "b"));
      mkdirSync(join(folder, "a"));
      writeFileSync(join(folder, "a/x"), "");
      writeFileSync(join(folder, "b/y"), "");
      await watch.until((names) => names.includes("CREATE a/x") && names.includes("CREATE b/y"));
      expect(
        watch
          .names()
          .filter((name) => /[xy]$/.test(name))
          .sort(),
      ).toEqual(["CREATE a/x", "CREATE b/y"]);
    });

    test("a directory that leaves the tree is no longer reported", async () => {
      const [folder, elsewhere] = [agent.newFolder(), agent.newFolder()];
      mkdirSync(join(folder, "sub/below"), { recursive: true });
      const watch = await openWatch(agent.client, { path: folder, recursive: true });
      renameSync(join(folder, "sub"), join(elsewhere, "sub"));
      writeFileSync(join(elsewhere, "sub/x"), "");
      writeFileSync(join(elsewhere, "sub/below/x"), "");
      end(folder);
      await watch.until(hasEnd);
      expect(watch.names()).toEqual(["RENAME sub", "CREATE end"]);
    });

    test("a directory that comes from elsewhere is announced with its content", async () => {
      const [folder, elsewhere] = [agent.newFolder(), agent.newFolder()];
      mkdirSync(join(elsewhere, "sub/below"), { recursive: true });
      writeFileSync(join(elsewhere, "sub/below/file"), "x");
      const watch = await openWatch(agent.client, { path: folder, recursive: true });
      renameSync(join(elsewhere, "sub"), join(folder, "sub"));
      await watch.until((names) => names.includes("WRITE sub/below/file"));
      writeFileSync(join(folder, "sub/below/new"), "");
      await watch.until((names) => names.includes("CREATE sub/below/new"));
      expect(watch.names()).toEqual([
        "CREATE sub",
        "CREATE sub/below",
        "CREATE sub/below/file",
        "WRITE sub/below/file",
        "CREATE sub/below/new",
      ]);
    });

    test("directories that are gone before they are watched end nothing", async () => {
      const folder = agent.newFolder();
      const watch = await openWatch(agent.client, { path: folder, recursive: true });
      for (let round = 0; round < 1000; round++) {
        mkdirSync(join(folder, "short/lived"), { recursive: true });
        rmSync(join(folder, "short"), { recursive: true });
      }
      end(folder);
      await watch.until(hasEnd);
    });

    test("a watch can begin while its tree changes", async () => {
      const folder = agent.newFolder();
      let isOver = false;
      const churn = (async () => {
        while (!isOver) {
          for (let index = 0; index < 20; index++)
            mkdirSync(join(folder, `d${index}/e/f`), { recursive: true });
          await new Promise(setImmediate);
          for (let index = 0; index < 20; index++) rmSync(join(folder, `d${index}`), { recursive: true });
          await new Promise(setImmediate);
        }
      })();
      for (let round = 0; round < 20; round++) {
        const id = await createWatcher(folder, { recursive: true });
        await agent.client.removeWatcher({ watcherId: id });
      }
      isOver = true;
      await churn;
    });

    test("a symbolic link at the root is followed, and links below are not", async () => {
      const folder = agent.newFolder();
      mkdirSync(join(folder, "real/sub"), { recursive: true });
      mkdirSync(join(folder, "outside"));
      symlinkSync("real", join(folder, "root"));
      symlinkSync("../outside", join(folder, "real/link"));
      for (const recursive of [false, true]) {
        const watch = await openWatch(agent.client, { path: join(folder, "root"), recursive });
        writeFileSync(join(folder, "outside", `not-told-${recursive}`), "");
        writeFileSync(join(folder, "real", `told-${recursive}`), "");
        await watch.until((names) => names.length > 0);
        expect(watch.names()).toEqual([`CREATE told-${recursive}`]);
        watch.leave();
      }
    });

    test("git and a copy of a large tree give the same names as a list", async () => {
      const folder = agent.newFolder();
      const watch = await openWatch(agent.client, { path: folder, recursive: true });
      const source = join(import.meta.dirname, "../../../src");
      execFileSync("cp", ["-r", source, join(folder, "copy")]);
      needPrograms("git");
      execFileSync("git", ["init", "-q", join(folder, "repository")]);
      end(folder);
      const { entries } = await agent.client.listDir({ path: folder, depth: 100 });
      const listed = entries.map(({ path }) => `CREATE ${path.slice(folder.length + 1)}`);
      await watch.until((names) => {
        const told = new Set(names);
        return listed.every((name) => told.has(name));
      });
    });

    test("exclude leaves out names and paths, with everything below them", async () => {
      const folder = agent.newFolder();
      const exclude = ["node_modules", "*.tmp", "build/**/cache", "/only-here"];
      const watch = await openWatch(agent.client, { path: folder, recursive: true, exclude });
      for (const path of [
        "node_modules/x",
        "src/node_modules/y",
        "build/a/b/cache/z",
        "only-here/x",
        "src/only-here",
      ])
        mkdirSync(join(folder, path), { recursive: true });
      writeFileSync(join(folder, "src/file.tmp"), "");
      writeFileSync(join(folder, "src/file"), "");
      end(folder);
      await watch.until((names) => hasEnd(names) && names.includes("CREATE src/file"));
      expect(new Set(watch.names())).toEqual(
        new Set(
          ["src", "build", "build/a", "build/a/b", "src/only-here", "src/file", "end"].map(
            (name) => `CREATE ${name}`,
          ),
        ),
      );
    });

    test("a bad glob is refused with its text", async () => {
      const request = { path: agent.newFolder(), exclude: ["x".repeat(257)] };
      expect((await failure(agent.client.createWatcher(request))).message).toMatch(
        /^glob "x+…" in exclude has \d+ characters, must have 1 to 256$/,
      );
      const many = { path: agent.newFolder(), exclude: Array.from({ length: 65 }, () => "x") };
      expect((await failure(agent.client.createWatcher(many))).message).toBe(
        "65 globs in exclude; at most 64 are allowed",
      );
    });

    test("a client that leaves while a large tree appears leaves no descriptor and no watch", async () => {
      const folder = agent.newFolder();
      const descriptors = () => readdirSync(`/proc/${agent.pid}/fd`).length;
      const watches = () =>
        readdirSync(`/proc/${agent.pid}/fdinfo`).flatMap((fd) => watchLines(agent.pid, fd)).length;
      const [before, watchesBefore] = [descriptors(), watches()];
      for (let round = 0; round < 5; round++) {
        const watch = await openWatch(agent.client, { path: folder, recursive: true });
        for (let index = 0; index < 200; index++)
          mkdirSync(join(folder, `tree-${round}/${index}/below`), { recursive: true });
        watch.leave();
        await watch.ended();
      }
      await eventually(
        "the watches and descriptors of before",
        // A thread more has four descriptors.
        () => watches() === watchesBefore && descriptors() <= before + 16,
        () => [watches(), watchesBefore, descriptors(), before],
      );
    });
  });

  describe("a root that disappears", () => {
    test("a removed root is reported, and so is its return with its content", async () => {
      const folder = join(agent.newFolder(), "root");
      mkdirSync(folder);
      const watch = await openWatch(agent.client, { path: folder, recursive: true });
      rmdirSync(folder);
      await watch.until((names) => names.includes("REMOVE ."));
      mkdirSync(join(folder, "sub"), { recursive: true });
      await watch.until((names) => names.includes("CREATE sub"));
      writeFileSync(join(folder, "sub/file"), "");
      await watch.until((names) => names.includes("CREATE sub/file"));
      expect(watch.names().filter((name) => name.endsWith(" ."))).toEqual(["REMOVE .", "CREATE ."]);
    });

    test("a renamed root is reported; its successor is watched and the renamed one is not", async () => {
      const parent = agent.newFolder();
      const folder = join(parent, "root");
      mkdirSync(folder);
      const watch = await openWatch(agent.client, { path: folder });
      renameSync(folder, join(parent, "renamed"));
      await watch.until((names) => names.includes("RENAME ."));
      writeFileSync(join(parent, "renamed/not-told"), "");
      mkdirSync(folder);
      await watch.until((names) => names.includes("CREATE ."));
      end(folder);
      await watch.until(hasEnd);
      expect(watch.names()).toEqual(["RENAME .", "CREATE .", "CREATE end"]);
    });

    // A poll answers when the watch has settled, or after two seconds.
    const settledPoll = async (id: string) => {
      const sinceMs = performance.now();
      const events = await poll(id);
      expect(performance.now() - sinceMs).toBeLessThan(1_900);
      return events;
    };

    test("a root that becomes a file is not looked for all the time, and its return is noticed", async () => {
      const folder = join(agent.newFolder(), "a/root");
      mkdirSync(folder, { recursive: true });
      const id = await createWatcher(folder);
      rmdirSync(folder);
      writeFileSync(folder, "");
      expect(await settledPoll(id)).toEqual(["REMOVE ."]);
      unlinkSync(folder);
      rmdirSync(join(folder, ".."));
      writeFileSync(join(folder, ".."), "");
      expect(await settledPoll(id)).toEqual([]);
      unlinkSync(join(folder, ".."));
      mkdirSync(folder, { recursive: true });
      end(folder);
      expect(await settledPoll(id)).toEqual(["CREATE .", "CREATE end"]);
    });

    test("a root behind links is waited for where the links lead, and its return is noticed", async () => {
      const parent = agent.newFolder();
      const folder = join(parent, "releases/one");
      mkdirSync(folder, { recursive: true });
      symlinkSync("releases/one", join(parent, "current"));
      symlinkSync(join(parent, "current"), join(parent, "link"));
      const id = await createWatcher(join(parent, "link"), { recursive: true });
      rmSync(join(parent, "releases"), { recursive: true });
      expect(await settledPoll(id)).toEqual(["REMOVE ."]);
      mkdirSync(join(folder, "sub"), { recursive: true });
      end(folder);
      expect((await settledPoll(id)).sort()).toEqual(["CREATE .", "CREATE end", "CREATE sub"]);
    });

    test("a root returns with the directories above it", async () => {
      const parent = join(agent.newFolder(), "a/b");
      const folder = join(parent, "c/d");
      mkdirSync(folder, { recursive: true });
      const watch = await openWatch(agent.client, { path: folder });
      rmSync(parent, { recursive: true });
      await watch.until((names) => names.includes("REMOVE ."));
      mkdirSync(folder, { recursive: true });
      await watch.until((names) => names.includes("CREATE ."));
      end(folder);
      await watch.until(hasEnd);
    });
  });

  describe("offsets", () => {
    test("a watch that was cut continues with the event after the last one received", async () => {
      const folder = agent.newFolder();
      const first = await openWatch(agent.client, { path: folder, fromOffset: 0n });
      expect(first.watcherId).toMatch(/^w[a-z0-9]{20}$/);
      expect(first.offset).toBe(0n);
      writeFileSync(join(folder, "a"), "");
      writeFileSync(join(folder, "b"), "");
      await first.until((names) => names.length === 2);
      expect(first.events.map(({ offset }) => offset)).toEqual([0n, 1n]);
      first.leave();
      await first.ended();
      writeFileSync(join(folder, "c"), "");
      // The client has processed only one event.
      const second = await openWatch(agent.client, { watcherId: first.watcherId, fromOffset: 1n });
      expect(second.offset).toBe(1n);
      writeFileSync(join(folder, "d"), "");
      await second.until((names) => names.length === 3);
      expect(second.names()).toEqual(["CREATE b", "CREATE c", "CREATE d"]);
      expect(second.events.map(({ offset }) => offset)).toEqual([1n, 2n, 3n]);
    });

    test("a missed poll is repeated by its offset, and no event comes twice", async () => {
      const folder = agent.newFolder();
      const id = await createWatcher(folder);
      const from = async (fromOffset: bigint) => {
        const { events, nextOffset } = await agent.client.getWatcherEvents({ watcherId: id, fromOffset });
        return { names: events.map(textOf), nextOffset };
      };
      writeFileSync(join(folder, "a"), "");
      expect(await from(0n)).toEqual({ names: ["CREATE a"], nextOffset: 1n });
      writeFileSync(join(folder, "b"), "");
      expect(await from(0n)).toEqual({ names: ["CREATE a", "CREATE b"], nextOffset: 2n });
      expect(await from(2n)).toEqual({ names: [], nextOffset: 2n });
      // They were acknowledged.
      expect(await from(0n)).toEqual({ names: ["RESCAN ."], nextOffset: 2n });
      expect(await failure(agent.client.getWatcherEvents({ watcherId: id, fromOffset: 3n }))).toEqual({
        code: "OutOfRange",
        message: "from_offset 3 is above the number of the next event of this watch (2)",
      });
    });

    test("a client without offsets gets none of the additions", async () => {
      const folder = agent.newFolder();
      const watch = await openWatch(agent.client, { path: folder });
      end(folder);
      await watch.until(hasEnd);
      expect(watch.watcherId).toBe("");
      expect(watch.offset).toBeUndefined();
      expect(watch.events[0]?.offset).toBeUndefined();
    });

    test("cuts at random places lose no event and repeat none", async () => {
      const folder = agent.newFolder();
      let watch = await openWatch(agent.client, { path: folder, fromOffset: 0n });
      const { watcherId } = watch;
      const seen: bigint[] = [];
      const names: string[] = [];
      for (let round = 0; round < 30; round++) {
        for (let index = 0; index < 20; index++) writeFileSync(join(folder, `${round}-${index}`), "");
        const wanted = (round * 7) % 20;
        await watch.until((received) => received.length >= wanted);
        watch.leave();
        await watch.ended();
        seen.push(...watch.events.map(({ offset }) => offset ?? -1n));
        names.push(...watch.names());
        watch = await openWatch(agent.client, { watcherId, fromOffset: (seen.at(-1) ?? -1n) + 1n });
      }
      // A quick stream has told all of them before it was cut.
      if (!names.includes("CREATE 29-19")) await watch.until((received) => received.includes("CREATE 29-19"));
      seen.push(...watch.events.map(({ offset }) => offset ?? -1n));
      names.push(...watch.names());
      expect(seen).toEqual(Array.from({ length: 600 }, (_, index) => BigInt(index)));
      expect(new Set(names).size).toBe(600);
    });
  });

  describe("limits", () => {
    test("500 watches work at once, and all share one inotify instance", async () => {
      const folder = agent.newFolder();
      const ids: string[] = [];
      for (let index = 0; index < 500; index++) {
        mkdirSync(join(folder, String(index)));
        ids.push(await createWatcher(join(folder, String(index))));
      }
      writeFileSync(join(folder, "499/x"), "");
      expect(await poll(ids[499] ?? "")).toEqual(["CREATE x"]);
      const instances = execFileSync(
        "sh",
        ["-c", `ls -l /proc/${agent.pid}/fd | grep -c anon_inode:inotify`],
        {
          encoding: "utf8",
        },
      );
      expect(instances.trim()).toBe("1");
      for (const watcherId of ids) await agent.client.removeWatcher({ watcherId });
    });

    test("watches above the limit are refused, and the message names the flag", async () => {
      const path = agent.newFolder();
      const ids: string[] = [];
      let refusal: { code: string; message: string } | undefined;
      while (refusal === undefined) {
        const created = await agent.client.createWatcher({ path }).catch((error: unknown) => error);
        if (created instanceof Error) refusal = await failure(Promise.reject(created));
        else ids.push((created as { watcherId: string }).watcherId);
      }
      expect(ids.length).toBeLessThanOrEqual(600);
      expect(refusal).toEqual({
        code: "ResourceExhausted",
        message: "watcher limit reached (600; --max-watchers)",
      });
      for (const watcherId of ids) await agent.client.removeWatcher({ watcherId });
    });

    test("an unread queue is bounded, reports that events were lost, and continues", async () => {
      const folder = agent.newFolder();
      const id = await createWatcher(folder);
      const longName = (index: number) => `${index}-${"n".repeat(200)}`;
      for (let index = 0; index < 4000; index++) {
        writeFileSync(join(folder, longName(index)), "");
        if (index % 500 === 0) await agent.client.stat({ path: folder });
      }
      const { events, nextOffset } = await agent.client.getWatcherEvents({ watcherId: id, fromOffset: 0n });
      expect(textOf(events.at(-1) ?? expect.fail("no event"))).toBe("RESCAN .");
      expect(events.length).toBeLessThan(4000);
      expect(events.slice(0, -1).map(textOf)).toEqual(
        Array.from({ length: events.length - 1 }, (_, index) => `CREATE ${longName(index)}`),
      );
      end(folder);
      const after = await agent.client.getWatcherEvents({ watcherId: id, fromOffset: nextOffset ?? 0n });
      expect(after.events.map(textOf)).toEqual(["CREATE end"]);
    });

    test("a client that knows no offsets learns of lost events by a WRITE of the directory", async () => {
      const folder = agent.newFolder();
      const id = await createWatcher(folder);
      for (let index = 0; index < 4000; index++) {
        writeFileSync(join(folder, `${index}-${"n".repeat(200)}`), "");
        if (index % 500 === 0) await agent.client.stat({ path: folder });
      }
      const { events } = await agent.client.getWatcherEvents({ watcherId: id });
      expect(events.at(-1)).toMatchObject({ name: ".", type: EventType.WRITE, rescan: false });
    });

    test("an overflow of the kernel is reported, the tree is watched again, and the watch continues", async () => {
      const folder = agent.newFolder();
      mkdirSync(join(folder, "sub"));
      const watch = await openWatch(agent.client, { path: folder, recursive: true, fromOffset: 0n });
      const queued = Number(readFileSync("/proc/sys/fs/inotify/max_queued_events", "utf8"));
      process.kill(agent.pid, "SIGSTOP");
      try {
        mkdirSync(join(folder, "unseen"));
        for (let index = 0; index < queued / 2 + 100; index++) {
          writeFileSync(join(folder, "sub/flood"), "");
          unlinkSync(join(folder, "sub/flood"));
        }
      } finally {
        process.kill(agent.pid, "SIGCONT");
      }
      await watch.until((names) => names.includes("RESCAN ."));
      writeFileSync(join(folder, "unseen/file"), "");
      await watch.until((names) => names.includes("CREATE unseen/file"));
    });
  });

  test("a watch has the rights of its user", async () => {
    const folder = agent.newFolder();
    mkdirSync(join(folder, "private"), { mode: 0o700 });
    const call = agent.clientAs("nobody").createWatcher({ path: join(folder, "private") });
    if (mode === "user") expect((await failure(call)).code).toBe("PermissionDenied");
    else expect((await call).watcherId).not.toBe("");
    expect(existsSync(folder)).toBe(true);
  });
});
