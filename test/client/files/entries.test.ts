// Entries through the client.

import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { startRelay } from "../../support/network/relay.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { agentForFile } from "../file-agent.ts";
import { connectTo } from "../test-client.ts";

const agent = agentForFile();
let folder: string;
beforeEach(() => {
  folder = createTempFolder();
});

test("stat describes files, directories and links", async () => {
  const { files } = connectTo(agent.url);
  writeFileSync(join(folder, "file"), "12345", { mode: 0o640 });
  symlinkSync("file", join(folder, "link"));
  symlinkSync("nowhere", join(folder, "broken"));
  expect(await files.stat(join(folder, "file"))).toMatchObject({
    ...{ name: "file", path: join(folder, "file"), kind: "file", size: 5, mode: 0o640 },
    permissions: "-rw-r-----",
    modifiedAt: expect.any(Date),
  });
  expect(await files.stat(folder)).toMatchObject({ kind: "directory" });
  expect(await files.stat(join(folder, "link"))).toMatchObject({
    kind: "file",
    linkTarget: join(folder, "file"),
  });
  expect(await files.stat(join(folder, "broken"))).toMatchObject({ kind: "link" });
});

test("a list has everything down to its depth, over as many pages as it needs", async () => {
  mkdirSync(join(folder, "a/b"), { recursive: true });
  for (let n = 0; n < 5200; n++) writeFileSync(join(folder, `a/${String(n).padStart(5, "0")}`), "");
  const { files } = connectTo(agent.url);
  expect((await files.list(folder)).map(({ name }) => name)).toEqual(["a"]);
  const all = await files.list(folder, { depth: 2 });
  expect(all.length).toBe(5202);
  expect(new Set(all.map(({ path }) => path)).size).toBe(5202);
  await expect(files.list(folder, { depth: 0 })).rejects.toThrow("depth is 0");
});

test("directories are made, entries moved and removed", async () => {
  const { files } = connectTo(agent.url);
  const made = join(folder, "x/y");
  expect(await files.makeDir(made)).toMatchObject({ kind: "directory", path: made });
  await expect(files.makeDir(made)).rejects.toMatchObject({ code: "already_exists" });
  await files.write(join(made, "file"), "content");
  expect(await files.move(made, join(folder, "z"))).toMatchObject({ name: "z" });
  expect(readFileSync(join(folder, "z/file"), "utf8")).toBe("content");
  await files.remove(join(folder, "z"));
  await files.remove(join(folder, "z"));
  expect(existsSync(join(folder, "z"))).toBe(false);
});

test("a missing path is not_found, and not a missing process", async () => {
  const { files } = connectTo(agent.url);
  for (const attempt of [
    () => files.stat(join(folder, "no")),
    () => files.list(join(folder, "no")),
    () => files.move(join(folder, "no"), join(folder, "x")),
  ])
    await expect(attempt()).rejects.toMatchObject({ name: "ClientError", code: "not_found" });
});

test("a directory that is made while answers are lost is a success", async () => {
  const made = join(folder, "made");
  let lostAnswers = 0;
  // The request passes, its first answer does not.
  const url = await startRelay(agent.port, {
    fromAgent: (data, cut) => {
      if (lostAnswers > 0 || !existsSync(made)) return data;
      lostAnswers++;
      cut();
      return undefined;
    },
  });
  const { files } = connectTo(url);
  expect(await files.makeDir(made)).toMatchObject({ kind: "directory", path: made });
  expect([lostAnswers, existsSync(made)]).toEqual([1, true]);
});

test("calls act for the user that they name", async () => {
  const { files } = connectTo(agent.url);
  await expect(files.stat("~", { user: "no-such-user" })).rejects.toMatchObject({ code: "unauthenticated" });
  await expect(files.read("~/x", { user: "no-such-user" })).rejects.toMatchObject({
    code: "unauthenticated",
  });
  expect((await files.stat("~", { user: "root" })).path).toBe("/root");
});
