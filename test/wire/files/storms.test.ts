// A watch while git clones and npm installs: the names that it tells are those that are there in the end.

import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test, vi } from "vitest";
import { FILE_ACCESS_MODES, useFileAgent } from "../../support/agent/file-agent.ts";
import { openWatch } from "../../support/clients/watch-stream.ts";
import { needPrograms } from "../../support/programs.ts";

vi.setConfig({ testTimeout: 120_000 });

/** Without waiting for it: the client reads its events meanwhile. */
const run = promisify(execFile);

const FILES = 300;
const PACKAGES = 12;

/**
 * The names that exist after `events`, each `TYPE name`. A directory that is moved within the tree
 * keeps its content.
 */
function namesAfter(events: readonly string[], before: readonly string[]): Set<string> {
  const names = new Set(before);
  let moved: string[] = [];
  for (const event of events) {
    const end = event.indexOf(" ");
    const [type, name] = [event.slice(0, end), event.slice(end + 1)];
    if (type === "CREATE") for (const rest of ["", ...moved]) names.add(`${name}${rest}`);
    moved = [];
    if (type !== "REMOVE" && type !== "RENAME") continue;
    for (const other of names) {
      if (other !== name && !other.startsWith(`${name}/`)) continue;
      names.delete(other);
      if (type === "RENAME" && other !== name) moved.push(other.slice(name.length));
    }
  }
  return names;
}

describe.each(FILE_ACCESS_MODES)("with --file-access %s", (mode) => {
  const agent = useFileAgent(["--file-access", mode]);

  async function expectTold(folder: string, storm: () => Promise<unknown>): Promise<void> {
    const before = readdirSync(folder);
    const watch = await openWatch(agent.client, { path: folder, recursive: true, fromOffset: 0n });
    await storm();
    writeFileSync(join(folder, "end"), "");
    const { entries } = await agent.client.listDir({ path: folder, depth: 100 });
    const listed = entries.map(({ path }) => path.slice(folder.length + 1)).sort();
    // What happened before is told before.
    await watch.until((events) => events.includes("CREATE end"));
    const told = namesAfter(watch.names(), before);
    const missing = listed.filter((name) => !told.has(name));
    expect({ missing, tooMany: [...told].filter((name) => !listed.includes(name)) }).toEqual({
      missing: [],
      tooMany: [],
    });
    expect(watch.names().filter((event) => event.startsWith("RESCAN"))).toEqual([]);
    watch.leave();
  }

  test("a watch has every change of git clone and of switches between branches", async () => {
    needPrograms("git");
    const git = (folder: string, ...args: string[]) =>
      run("git", ["-C", folder, "-c", "user.name=test", "-c", "user.email=test@example.com", ...args]);
    const origin = agent.newFolder();
    await git(origin, "init", "-q", "-b", "first");
    for (let index = 0; index < FILES; index++) {
      mkdirSync(join(origin, `d${index % 20}/e${index % 7}`), { recursive: true });
      writeFileSync(join(origin, `d${index % 20}/e${index % 7}/f${index}`), `content ${index}`);
    }
    await git(origin, "add", ".");
    await git(origin, "commit", "-qm", "one");
    await git(origin, "checkout", "-qb", "second");
    await git(origin, "mv", "d0", "moved");
    await git(origin, "rm", "-qr", "d1");
    await git(origin, "commit", "-qm", "two");
    const folder = agent.newFolder();
    await expectTold(folder, async () => {
      await git(folder, "clone", "-q", "-b", "first", origin, "clone");
      const clone = join(folder, "clone");
      await git(clone, "checkout", "-q", "second");
      await git(clone, "checkout", "-q", "first");
    });
  });

  test("a watch has every change of npm install, and of the removal of a package", async () => {
    const packages = agent.newFolder();
    const names = Array.from({ length: PACKAGES }, (_, index) => `storm-package-${index}`);
    for (const name of names) {
      const folder = join(packages, name, "package");
      mkdirSync(join(folder, "lib/deep/er"), { recursive: true });
      writeFileSync(join(folder, "package.json"), JSON.stringify({ name, version: "1.0.0" }));
      for (let file = 0; file < 20; file++) writeFileSync(join(folder, `lib/deep/er/${file}.js`), "");
      await run("tar", ["-czf", join(packages, `${name}.tgz`), "-C", join(packages, name), "package"]);
    }
    const project = agent.newFolder();
    writeFileSync(join(project, "package.json"), JSON.stringify({ name: "project", version: "1.0.0" }));
    const npm = (...args: string[]) =>
      run("npm", [...args, "--offline", "--no-audit", "--no-fund", "--cache", join(packages, "cache")], {
        cwd: project,
      });
    await expectTold(project, async () => {
      await npm("install", ...names.map((name) => join(packages, `${name}.tgz`)));
      await npm("uninstall", names[0] ?? "");
    });
  });
});
