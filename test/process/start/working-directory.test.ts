// The directory in which a process starts.

import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { outputOf } from "../../support/agent/process-output.ts";
import { createTable } from "../../support/agent/process-table.ts";
import { command } from "../../support/clients/start-requests.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

const home = realpathSync(userInfo().homedir);

test.each([undefined, "", "~", "."])("cwd %j is the user's home", async (cwd) => {
  expect(await placeOf(cwd)).toBe(home);
});

test("an absolute cwd is used unchanged", async () => {
  const folder = createTempFolder();
  expect(await placeOf(folder)).toBe(folder);
  expect(await placeOf("/")).toBe("/");
});

test("~/x and a relative x are both in the home of the user, not in the cwd of the agent", async () => {
  const folder = createTempFolder(home);
  mkdirSync(join(folder, "ä b"));
  expect(await placeOf(`~/${basename(folder)}/ä b`)).toBe(join(folder, "ä b"));
  expect(await placeOf(`${basename(folder)}/ä b`)).toBe(join(folder, "ä b"));
});

test("a link to a folder is accepted as cwd", async () => {
  const folder = createTempFolder();
  mkdirSync(join(folder, "real"));
  symlinkSync("real", join(folder, "link"));
  expect(await placeOf(join(folder, "link"))).toBe(join(folder, "real"));
});

test("a cwd that does not exist, is a file or holds a NUL byte is refused by name", async () => {
  const table = createTable();
  const folder = createTempFolder();
  const file = join(folder, "file");
  writeFileSync(file, "");
  const refusalOf = (cwd: string) => table.start(command("true", [], { cwd }));

  const invalid = (message: string) => ({ code: "invalid_argument", message });
  await expect(refusalOf(join(folder, "none"))).rejects.toMatchObject(
    invalid(`cwd "${join(folder, "none")}" does not exist`),
  );
  await expect(refusalOf(file)).rejects.toMatchObject(invalid(`cwd "${file}" is not a directory`));
  await expect(refusalOf(join(file, "below"))).rejects.toMatchObject(
    invalid(expect.stringContaining(`cwd "${join(file, "below")}"`)),
  );
  await expect(refusalOf("~nobody")).rejects.toMatchObject(invalid(`cwd "~nobody" does not exist`));
  await expect(refusalOf("no\0where")).rejects.toMatchObject(invalid("cwd holds a NUL byte at 2"));
});

async function placeOf(cwd: string | undefined): Promise<string> {
  const { stdout, end } = await outputOf(await createTable().start(command("pwd", ["-P"], { cwd })));
  expect(end.exitCode).toBe(0);
  return stdout.trimEnd();
}
