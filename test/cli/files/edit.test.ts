// `holdfast edit` against a real agent, with scripts and a real editor.
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { openTmux } from "../../support/proc/tmux.ts";
import { needPrograms } from "../../support/programs.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { finished, holdfast } from "../holdfast.ts";

const agent = agentForFile();
let there = "";
let temporary = "";
beforeEach(() => {
  there = createTempFolder();
  temporary = createTempFolder();
});

/** `script` is the editor: a command line that gets the path as its last word. */
function edit(script: string, name = "file", env: Readonly<Record<string, string>> = {}) {
  return finished(
    holdfast(agent.url, ["edit", `:${there}/${name}`], {
      env: { EDITOR: script, VISUAL: undefined, TMPDIR: temporary, ...env },
    }),
  );
}

const remote = (name = "file") => join(there, name);
const put = (content: string, name = "file") => writeFileSync(remote(name), content);
const done = { code: 0, stdout: "", stderr: "" };

test("a file is fetched, edited and stored, with its permissions, and no copy is left", async () => {
  put("one\n");
  chmodSync(remote(), 0o750);
  expect(await edit("sed -i s/one/two/")).toEqual(done);
  expect(readFileSync(remote(), "utf8")).toBe("two\n");
  expect(statSync(remote()).mode & 0o777).toBe(0o750);
  expect(readdirSync(temporary)).toEqual([]);
});

test("the copy has the file's own name and is readable by its user only", async () => {
  put("x", "main.py");
  await edit(`stat -c '%a %n' -- "$1" > ${there}/said; :`, "main.py");
  expect(readFileSync(join(there, "said"), "utf8")).toMatch(/^600 .*\/main\.py\n$/);
});

test("VISUAL comes before EDITOR", async () => {
  put("one");
  expect(await edit("false", "file", { VISUAL: "sed -i s/one/visual/" })).toEqual(done);
  expect(readFileSync(remote(), "utf8")).toBe("visual");
});

test("nothing is stored if the content is the same", async () => {
  put("one");
  const before = statSync(remote(), { bigint: true });
  expect(await edit("touch")).toEqual({
    ...done,
    stderr: `holdfast: :${remote()} is unchanged: nothing is stored\n`,
  });
  const after = statSync(remote(), { bigint: true });
  expect([after.mtimeNs, after.ctimeNs, after.ino]).toEqual([before.mtimeNs, before.ctimeNs, before.ino]);
});

test("a missing file is made if the editor writes one, and otherwise not", async () => {
  expect((await edit("true")).code).toBe(0);
  expect(existsSync(remote())).toBe(false);
  expect(await edit("printf new >")).toEqual(done);
  expect(readFileSync(remote(), "utf8")).toBe("new");
});

/** The message ends with the place of the copy. */
async function expectKept(result: ReturnType<typeof edit>, why: RegExp, content: string): Promise<void> {
  const { code, stderr } = await result;
  expect(code).toBe(1);
  expect(stderr).toMatch(why);
  const [, copy = "", again] =
    /your version is kept in (\S+), .* \(holdfast (cp \S+ \S+) stores it\)\n$/.exec(stderr) ?? [];
  expect(readFileSync(copy, "utf8")).toBe(content);
  expect(again).toBe(`cp ${copy} :${remote()}`);
}

test("a file that changes meanwhile stays as it is, and the edited copy is kept", async () => {
  put("one");
  await expectKept(
    edit(`echo theirs > ${remote()}; printf mine >`),
    /^holdfast: :\S+ has changed on the agent since you opened it; /,
    "mine",
  );
  expect(readFileSync(remote(), "utf8")).toBe("theirs\n");
});

test("a file that is made meanwhile stays as it is, and the edited copy is kept", async () => {
  await expectKept(
    edit(`echo theirs > ${remote()}; printf mine >`),
    /^holdfast: :\S+ was made on the agent since you opened it; /,
    "mine",
  );
  expect(readFileSync(remote(), "utf8")).toBe("theirs\n");
});

test("an editor that fails after a change stores nothing, and the copy is kept", async () => {
  put("one");
  await expectKept(
    edit(`f() { printf mine > "$1"; return 3; }; f`),
    /failed \(exit status 3\); your/,
    "mine",
  );
  expect(readFileSync(remote(), "utf8")).toBe("one");
});

test("an editor that is not installed is an error that names the variables", async () => {
  put("one");
  expect(await edit("no-such-editor-here")).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /the editor "no-such-editor-here" is not installed; set VISUAL or EDITOR to another one\n$/,
    ),
  });
  expect(readdirSync(temporary)).toEqual([]);
});

test("a directory, a path of this machine and an agent that is away are errors before the editor starts", async () => {
  const said = join(there, "started");
  const editor = `touch ${said}; :`;
  expect((await edit(editor, "")).stderr).toMatch(/is not a file: only a file can be edited\n$/);
  expect((await finished(holdfast(agent.url, ["edit", "x"], { env: { EDITOR: editor } }))).stderr).toBe(
    'holdfast: "x" is not a path on the agent: write :x\n',
  );
  const away = holdfast("http://127.0.0.1:1", ["edit", ":x"], { env: { EDITOR: editor } });
  expect((await finished(away)).stderr).toMatch(/^holdfast: no agent at /);
  expect(existsSync(said)).toBe(false);
});

test("vi edits on the terminal, and Ctrl-C in it does not end the command", async () => {
  needPrograms("vi");
  put("one\n");
  const window = await openTmux(agent.url)({ cols: 80, rows: 12 });
  await window.type(`TMPDIR=${temporary} EDITOR=vi VISUAL= holdfast edit :${remote()}`);
  await window.press("Enter");
  await window.until(/^one\n~/);
  await window.press("C-c");
  await window.type("ciwtwo");
  await window.press("Escape");
  await window.until(/^two\n~/);
  await window.type(":wq");
  await window.press("Enter");
  await window.until(/\$ $|\$$/);
  await expect.poll(() => readFileSync(remote(), "utf8")).toBe("two\n");
  await expect.poll(() => readdirSync(temporary)).toEqual([]);
});
