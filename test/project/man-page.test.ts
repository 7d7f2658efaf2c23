// The man page of the tarball, which the build makes out of the command line's own definition.

import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { manPage } from "../../scripts/binary/man-page.mjs";
import { createProgram } from "../../src/cli/program.ts";
import { hasPrograms } from "../support/programs.ts";

const program = createProgram(() => undefined);
const page = manPage(program, "1.2.3");
/** As a reader sees it. */
const plain = page
  .replaceAll("\\-", "-")
  .replaceAll("\\(ga", "`")
  .replaceAll("\\(dq", '"')
  .replaceAll("\\&", "")
  .replaceAll("\\e", "\\");

test("the man page has every command with every option of its help", () => {
  const help = program.createHelp();
  const commands = help.visibleCommands(program).filter((command) => command.name() !== "help");
  expect(commands.length).toBeGreaterThan(5);
  for (const command of commands) {
    expect(plain).toContain(`.SS "holdfast ${command.name()} `);
    for (const option of help.visibleOptions(command))
      expect(plain).toContain(`.B ${help.optionTerm(option)}\n`);
  }
});

test("the man page has the examples and the exit codes that follow the options in the help", () => {
  expect(plain).toContain("holdfast run -- make test");
  expect(plain).toMatch(/exit codes?:/i);
});

test("only requests of roff begin with a dot or an apostrophe", () => {
  const requests = page.split("\n").filter((line) => /^[.']/.test(line));
  expect(requests.filter((line) => !/^\.(TH|SH|SS|TP|PP|B|nf|fi)( |$)/.test(line))).toEqual([]);
});

test.runIf(hasPrograms("the page of the manual in groff", "groff"))(
  "groff formats it without a warning",
  () => {
    const { stderr, status } = spawnSync("groff", ["-man", "-Tascii", "-ww", "-z"], {
      input: page,
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  },
);
