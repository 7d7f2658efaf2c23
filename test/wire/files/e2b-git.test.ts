// The git module of the unmodified `e2b` SDK: it runs git by commands and reads what git prints.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { Sandbox } from "e2b";
import { beforeAll, expect, test } from "vitest";
import { useEmptyHome } from "../../support/agent/empty-home.ts";
import { useFileAgent } from "../../support/agent/file-agent.ts";
import { needPrograms } from "../../support/programs.ts";

const agent = useFileAgent([]);
let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await Sandbox.create({ debug: true, sandboxUrl: agent.url });
  return useEmptyHome(agent.url);
});

const author = { authorName: "A Person", authorEmail: "person@example.org" };

test("a repository is cloned, changed, committed, pushed and pulled", async () => {
  needPrograms("git");
  const { git, files } = sandbox;
  const folder = agent.newFolder();
  const origin = join(folder, "origin.git");
  execFileSync("git", ["init", "--quiet", "--bare", "--initial-branch=main", origin]);

  const first = join(folder, "first");
  await git.init(first, { initialBranch: "main" });
  await git.remoteAdd(first, "origin", `file://${origin}`);
  expect(await git.remoteGet(first, "origin")).toBe(`file://${origin}`);
  await files.write(join(first, "größe.txt"), "eins\n");
  expect((await git.status(first)).fileStatus).toMatchObject([{ status: "untracked" }]);
  await git.add(first);
  await git.commit(first, "Begin", author);
  await git.push(first, { remote: "origin", branch: "main" });

  const second = join(folder, "second");
  await git.clone(`file://${origin}`, { path: second });
  expect(await files.read(join(second, "größe.txt"))).toBe("eins\n");
  await git.createBranch(second, "topic");
  expect(await git.branches(second)).toMatchObject({ currentBranch: "topic" });
  await git.checkoutBranch(second, "main");
  await git.deleteBranch(second, "topic");

  await files.write(join(first, "größe.txt"), "zwei\n");
  await git.add(first);
  await git.commit(first, "Go on", author);
  await git.push(first, { remote: "origin", branch: "main" });
  await git.pull(second);
  expect(await files.read(join(second, "größe.txt"))).toBe("zwei\n");
  expect((await git.status(second)).isClean).toBe(true);
});

test("a change is taken back, and settings are stored", async () => {
  needPrograms("git");
  const { git, files } = sandbox;
  const folder = join(agent.newFolder(), "repository");
  await git.init(folder, { initialBranch: "main" });
  await git.setConfig("core.abbrev", "12", { scope: "local", path: folder });
  expect(await git.getConfig("core.abbrev", { scope: "local", path: folder })).toBe("12");
  await files.write(join(folder, "file"), "1");
  await git.add(folder);
  await git.commit(folder, "Begin", author);
  await files.write(join(folder, "file"), "2");
  await git.restore(folder, { paths: ["file"] });
  expect(await files.read(join(folder, "file"))).toBe("1");
  await files.write(join(folder, "file"), "3");
  await git.reset(folder, { mode: "hard" });
  expect(await files.read(join(folder, "file"))).toBe("1");
});

test("a clone of a repository that does not exist fails with what git says", async () => {
  needPrograms("git");
  const missing = join(agent.newFolder(), "missing.git");
  await expect(sandbox.git.clone(`file://${missing}`, { path: `${missing}-clone` })).rejects.toMatchObject({
    exitCode: 128,
    stderr: expect.stringMatching(/does not (exist|appear)/),
  });
});
