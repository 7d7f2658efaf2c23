// `holdfast sync` against a real agent, in both directions. The agent's files are on the same machine, in another folder.
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { startCuttingProxy } from "../../support/network/cutting-proxy.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { finished, holdfast } from "../holdfast.ts";
import { contentOf, describeTree as describeAll, makeTree } from "./tree.ts";

const agent = agentForFile();
const LONG_AGO = 1_500_000_000;

/** The time of a directory changes with each change in it, and is not synchronized. */
function describeTree(folder: string): Readonly<Record<string, string>> {
  const entries = Object.entries(describeAll(folder));
  return Object.fromEntries(entries.map(([name, text]) => [name, text.replace(/^(directory \d+) .*/, "$1")]));
}

describe.each(["up", "down"] as const)("%s", (direction) => {
  let source = "";
  let target = "";
  beforeEach(() => {
    const folder = createTempFolder();
    source = join(folder, "source");
    target = join(folder, "target");
    mkdirSync(source);
  });
  /** How the command line names the two. */
  const words = () => (direction === "up" ? [source, `:${target}`] : [`:${source}`, target]);
  const sync = (...flags: string[]) =>
    finished(holdfast(agent.url, ["sync", "--quiet", ...flags, ...words()]));
  const there = direction === "up" ? "on the agent" : "on this machine";
  const here = direction === "up" ? "on this machine" : "on the agent";
  const put = (folder: string, name: string, content: string | Buffer, seconds = LONG_AGO) => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
    utimesSync(join(folder, name), seconds, seconds);
  };
  const read = (name: string) => readFileSync(join(target, name), "utf8");

  test("a missing target becomes like the source, and a second run copies nothing", async () => {
    makeTree(source);
    expect((await sync()).code).toBe(0);
    expect(describeTree(target)).toEqual(describeTree(source));
    expect(await sync()).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("a time before 1970 is kept", async () => {
    put(source, "old", "content");
    const old = new Date(-100_000_000_000);
    utimesSync(join(source, "old"), old, old);
    // With a target that exists, files are copied one by one.
    put(target, "other", "content");
    expect((await sync()).code).toBe(0);
    expect(statSync(join(target, "old")).mtime).toEqual(old);
  });

  test("only what is new, changed, or has other permissions is copied", async () => {
    for (const name of ["same", "longer", "later", "mode"]) put(source, name, "one");
    await sync();
    put(source, "longer", "three", LONG_AGO + 10);
    put(source, "later", "two", LONG_AGO + 20);
    put(source, "new/file", "new");
    chmodSync(join(source, "mode"), 0o700);
    const { code, stdout } = await sync();
    expect({ code, lines: stdout.trim().split("\n").sort() }).toEqual({
      code: 0,
      lines: ["+ later", "+ longer", "+ mode", "+ new", "+ new/file"],
    });
    expect(describeTree(target)).toEqual(describeTree(source));
  });

  test("--delete removes what the source does not have, and never what is left out", async () => {
    put(source, "kept", "x");
    put(target, "kept", "x");
    put(target, "old/deep/file", "x");
    put(target, "mixed/gone", "x");
    put(target, "mixed/node_modules/y", "x");
    expect((await sync("--exclude", "node_modules")).stdout).toBe("");
    const { stdout } = await sync("--delete", "--exclude", "node_modules");
    expect(stdout.trim().split("\n").sort()).toEqual(["- mixed/gone", "- old"]);
    expect(Object.keys(describeTree(target))).toEqual([
      ...["kept", "mixed", "mixed/node_modules", "mixed/node_modules/y"],
    ]);
  });

  test("--exclude leaves out at any depth", async () => {
    put(source, "a/node_modules/x", "x");
    put(source, "a/b.tmp", "x");
    put(source, "a/c", "x");
    await sync("--exclude", "node_modules", "--exclude", "*.tmp");
    expect(Object.keys(describeTree(target))).toEqual(["a", "a/c"]);
  });

  test("a file that is newer in the target is a conflict, and --force overwrites it", async () => {
    put(source, "file", "ours");
    put(target, "file", "theirs!", LONG_AGO + 100);
    put(source, "other", "x");
    expect(await sync()).toEqual({
      code: 1,
      stdout: "+ other\n",
      stderr: `holdfast: conflict: file is left as it is: it is newer ${there} (--force overwrites it)\n`,
    });
    expect(read("file")).toBe("theirs!");
    expect((await sync("--force")).code).toBe(0);
    expect(read("file")).toBe("ours");
  });

  test("content decides about a newer file of the same size", async () => {
    put(source, "same", "12345");
    put(target, "same", "12345", LONG_AGO + 100);
    put(source, "different", "12345");
    put(target, "different", "54321", LONG_AGO + 100);
    const { code, stderr } = await sync();
    expect(code).toBe(1);
    expect(stderr).toMatch(/^holdfast: conflict: different is left as it is: it is newer .*\n$/);
    expect(statSync(join(target, "same")).mtimeMs).toBe((LONG_AGO + 100) * 1000);
  });

  test("a file in the place of a directory is a conflict, and --force replaces it", async () => {
    put(source, "x/y", "x");
    put(target, "x", "file");
    const { code, stderr } = await sync();
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `holdfast: conflict: x is left as it is: it is a directory ${here} and a file ${there} (--force overwrites it)\n`,
    });
    expect((await sync("--force")).code).toBe(0);
    expect(read("x/y")).toBe("x");
  });

  test("links are kept, and a link in the target is never followed", async () => {
    const outside = createTempFolder();
    put(outside, "precious", "precious");
    put(source, "file", "x", LONG_AGO + 100);
    symlinkSync("file", join(source, "link"));
    symlinkSync("nowhere", join(source, "dangling"));
    mkdirSync(target);
    symlinkSync(join(outside, "precious"), join(target, "file"));
    expect((await sync("--force")).code).toBe(0);
    expect(describeTree(target)).toEqual(describeTree(source));
    expect(readFileSync(join(outside, "precious"), "utf8")).toBe("precious");
    expect((await sync()).stdout).toBe("");
  });

  test("--json prints one object for each copy, removal and conflict, and the sum", async () => {
    put(source, "file", "12345");
    put(target, "old", "x");
    const { stdout } = await sync("--delete", "--json");
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { event: "removed", path: "old" },
      { event: "copied", path: "file" },
      { event: "synced", copied: 1, removed: 1, conflicts: 0, bytes: 5 },
    ]);
  });

  test("a source that is missing, and two paths of one side, are errors", async () => {
    rmSync(source, { recursive: true });
    const { code, stderr } = await sync();
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^holdfast: ${here}: .* does not exist; `));
    expect((await finished(holdfast(agent.url, ["sync", "a", "b"]))).stderr).toBe(
      'holdfast: a and b must be a directory of this machine and one of the agent, which begins with ":"\n',
    );
    expect(existsSync(target)).toBe(false);
  });

  describe("--watch", () => {
    const watch = async (url: string, ...flags: string[]) => {
      const command = holdfast(url, ["sync", "--watch", "--json", ...flags, ...words()]);
      await command.waitFor("stdout", /"watching"/);
      return command;
    };
    const untilSame = () =>
      expect.poll(() => describeTree(target), { timeout: 20_000 }).toEqual(describeTree(source));

    test("each change arrives: new, changed, renamed and, with --delete, removed ones", async () => {
      put(source, "first", "1");
      const command = await watch(agent.url, "--delete");
      put(source, "dir/new", "2");
      await untilSame();
      appendFileSync(join(source, "dir/new"), "more");
      await untilSame();
      renameSync(join(source, "dir"), join(source, "renamed"));
      await untilSame();
      rmSync(join(source, "first"));
      await untilSame();
      command.kill("SIGINT");
      expect((await command.exited()).code).toBe(130);
    });

    test("changes of the same size in the same second all arrive", async () => {
      const command = await watch(agent.url);
      // In steps of 10 ms: a time in seconds as a floating-point number may be a millisecond off.
      for (let n = 10; n < 40; n++) {
        put(source, "file", String(n), LONG_AGO + n / 100);
        await expect
          .poll(() => existsSync(join(target, "file")) && read("file"), { timeout: 20_000 })
          .toBe(String(n));
      }
      await command.stop();
    });

    test("many changes at once leave both sides the same", async () => {
      makeTree(source, 20);
      const command = await watch(agent.url, "--delete");
      for (let n = 0; n < 300; n++) {
        const name = `many/${n % 7}/file-${n}`;
        put(source, name, contentOf(500, name), LONG_AGO + n);
        if (n % 3 === 0) rmSync(join(source, `many/${n % 7}/file-${n}`));
      }
      renameSync(join(source, "sub"), join(source, "many/sub"));
      await untilSame();
      await command.stop();
    });

    test("a change of the target is a conflict, and is kept until it is resolved", async () => {
      put(source, "file", "one");
      const command = await watch(agent.url);
      writeFileSync(join(target, "file"), "theirs");
      writeFileSync(join(source, "file"), "ours");
      await command.waitFor("stdout", /"conflict","path":"file","reason":"it has also changed/);
      expect(read("file")).toBe("theirs");
      writeFileSync(join(target, "file"), "ours");
      put(source, "other", "x");
      await expect.poll(() => existsSync(join(target, "other"))).toBe(true);
      await command.stop();
    });

    test("changes while the connection is cut arrive afterwards", async () => {
      const proxy = await startCuttingProxy({ port: agent.port });
      put(source, "file", "one");
      const command = await watch(proxy.url, "--delete");
      proxy.refusing = true;
      proxy.cut("rst");
      put(source, "while-away", "two");
      rmSync(join(source, "file"));
      await command.waitFor("stdout", /"reconnecting"/);
      put(source, "while-away-too", "three");
      proxy.refusing = false;
      await untilSame();
      await command.stop();
    }, 40_000);
  });
});
