// Programs that use the whole screen, as a person sees them: started in one window, left, and continued from
// a window of another size.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { openTmux, type Window } from "../../support/proc/tmux.ts";
import { needPrograms } from "../../support/programs.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { finished, holdfast, untilProcess } from "../holdfast.ts";

const agent = agentForFile();

const FIRST = { cols: 80, rows: 24 };
const SECOND = { cols: 100, rows: 30 };
const INITIAL = {
  alternate: false,
  cursor: true,
  cursorKeys: false,
  keypad: false,
  mouse: false,
  wrap: true,
};

interface Program {
  /** Of the screen in the first window. */
  readonly shown: RegExp;
  readonly before?: readonly string[];
  /** After these keys. */
  readonly shownBefore?: RegExp;
  /** Of the screen in the second window, before any key. */
  readonly drawn: RegExp;
  readonly isAlternate: boolean;
  readonly after: readonly string[];
  readonly shownAfter: RegExp;
  /** Of the screen after one more attach. Default: as it was left. */
  readonly drawnAgain?: RegExp;
  readonly quit: readonly string[];
}

let count = 0;

async function tryProgram(command: string, program: Program): Promise<void> {
  needPrograms(
    ...command.split(" ").filter((word) => ["vim", "less", "htop", "tmux", "python3", "git"].includes(word)),
  );
  const tag = `program-${count++}`;
  const openWindow = openTmux(agent.url);
  const first = await openWindow(FIRST);
  await first.type(`holdfast run --pty --tag ${tag} ${command}`);
  await first.press("Enter");
  await first.until(program.shown);
  if (program.before !== undefined) await first.press(...program.before);
  if (program.shownBefore !== undefined) await first.until(program.shownBefore);
  const modes = await first.modes();
  expect(modes.alternate).toBe(program.isAlternate);
  await leave(first, tag, program);

  const second = await openWindow(SECOND);
  await second.type(`holdfast attach ${tag}`);
  await second.press("Enter");
  await second.until(program.drawn);
  const { region: _, ...restored } = await second.modes();
  const { region: __, ...wanted } = modes;
  expect(restored).toEqual(wanted);
  await second.press(...program.after);
  await second.until(program.shownAfter);

  // The same size again: the program still has to draw.
  await leave(second, tag, program);
  const third = await openWindow(SECOND);
  await third.type(`holdfast attach ${tag}`);
  await third.press("Enter");
  await third.until(program.drawnAgain ?? program.shownAfter);
  await third.press(...program.quit);
  await third.until(/\$$/);
  expect(await third.modes()).toEqual({ ...INITIAL, region: "0-29" });
}

async function leave(window: Window, tag: string, { isAlternate }: Program): Promise<void> {
  await window.press("C-p", "C-q");
  const screen = await window.until(/holdfast: detached; process \d+ continues: .*\n\$$/s);
  const { region, ...modes } = await window.modes();
  expect({ ...modes, isWhole: /^0-(23|29)$/.test(region) }).toEqual({ ...INITIAL, isWhole: true });
  // The command that was typed is on the screen again.
  if (isAlternate) expect(screen).toMatch(/^\$ holdfast/);
  await untilProcess(agent.url, tag, { subscribers: 0 });
}

/** Lines with their numbers. */
function textFile(): string {
  const file = join(createTempFolder(), "lines.txt");
  writeFileSync(file, Array.from({ length: 200 }, (_, index) => `line ${index + 1}`).join("\n"));
  return file;
}

test("vim continues in a window of another size, with its modes", () =>
  tryProgram(`vim -u NONE -N -n ${textFile()}`, {
    shown: /^line 1\nline 2[\s\S]*line 23\n/,
    before: ["i", "typed ", "Escape"],
    shownBefore: /^typed line 1\n/,
    drawn: /^typed line 1\n[\s\S]*line 29(\n|$)/,
    isAlternate: true,
    after: ["Down", "i", "more ", "Escape"],
    shownAfter: /^typed line 1\n.*more .*\n[\s\S]*line 29/,
    quit: [":q!", "Enter"],
  }));

test("less continues in a window of another size, with its modes", () =>
  tryProgram(`less -S ${textFile()}`, {
    shown: /^line 1\n[\s\S]*line 23\n/,
    before: ["Down", "Down"],
    shownBefore: /^line 3\n[\s\S]*line 25\n/,
    drawn: /^line 3\n[\s\S]*line 31\n/,
    isAlternate: true,
    after: ["Down"],
    shownAfter: /^line 4\n[\s\S]*line 32\n/,
    quit: ["q"],
  }));

test("htop continues in a window of another size, with its modes", () =>
  // It stores its settings when it ends.
  tryProgram(`env HTOPRC=${join(createTempFolder(), "htoprc")} htop`, {
    shown: /Load average[\s\S]*F1Help/,
    drawn: /Load average[\s\S]*F1Help/,
    isAlternate: true,
    after: ["F5"],
    shownAfter: /Load average[\s\S]*F5List/,
    quit: ["q"],
  }));

test("tmux continues in a window of another size, with its modes", async () => {
  const socket = join(createTempFolder(), "inner");
  await tryProgram(`tmux -S ${socket} -f /dev/null new-session -s inner env 'PS1=inner: ' ENV= sh`, {
    shown: /^inner:[\s\S]*\[inner\]/,
    before: ["echo $((40", "+1))", "Enter"],
    shownBefore: /\n41\ninner:[\s\S]*\[inner\]/,
    drawn: /\n41\ninner:[\s\S]*\[inner\]/,
    isAlternate: true,
    after: ["echo $((41+1))", "Enter"],
    shownAfter: /\n42\ninner:[\s\S]*\[inner\]/,
    quit: ["exit", "Enter"],
  });
});

test("python continues in a window of another size, with its modes", () =>
  tryProgram("env PYTHON_BASIC_REPL= python3 -q", {
    shown: />>>$/,
    before: ["x = 41", "Enter"],
    shownBefore: /x = 41\n>>>$/,
    drawn: />>>$/,
    isAlternate: false,
    after: ["x + 1", "Enter"],
    shownAfter: /\n42\n>>>$/,
    drawnAgain: />>>$/,
    quit: ["C-d"],
  }));

test("git log continues in a window of another size, with its modes", async () => {
  const folder = createTempFolder();
  needPrograms("git", "less");
  const git = (...args: readonly string[]) => execFileSync("git", ["-C", folder, ...args]);
  git("init", "--quiet");
  for (let n = 1; n <= 40; n++)
    git(
      ...[
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "commit",
        "--quiet",
        "--allow-empty",
        "-m",
        `change ${n}`,
      ],
    );
  await tryProgram(`env LESS=RX git -C ${folder} -c color.ui=always log --oneline`, {
    shown: /^[\s\S]*change 40\n[\s\S]*change 19/,
    before: ["Down", "Down"],
    shownBefore: /^\S+ change 38\n[\s\S]*change 16\n/,
    drawn: /^\S+ change 38\n[\s\S]*change 10\n/,
    isAlternate: false,
    after: ["Down"],
    shownAfter: /^\S+ change 37\n[\s\S]*change 9\n/,
    quit: ["q"],
  });
});

test("a program that is killed leaves the terminal usable", async () => {
  const window = await openTmux(agent.url)(FIRST);
  await window.type(`holdfast run --pty --tag killed vim -u NONE -N -n ${textFile()}`);
  await window.press("Enter");
  await window.until(/^line 1\n/);
  await finished(holdfast(agent.url, ["signal", "killed", "SIGKILL"]));
  await window.until(/\$$/);
  expect(await window.modes()).toEqual({ ...INITIAL, region: "0-23" });
});

test("Ctrl-Z and fg: the shell gets the terminal as it was, and the program draws again, also for another size", async () => {
  const window = await openTmux(agent.url)(FIRST);
  // In another group than the shell's: typed keys reach the program, so the signal comes from outside.
  await window.type(`holdfast run --pty --tag stopped less -S ${textFile()}`);
  await window.press("Enter");
  await window.until(/^line 1\n/);
  const children = execFileSync("ps", ["--ppid", `${window.pid}`, "-o", "pid="], { encoding: "utf8" });
  process.kill(Number(children.trim().split("\n")[0]), "SIGTSTP");
  await window.until(/Stopped[\s\S]*\$$/);
  expect(await window.modes()).toEqual({ ...INITIAL, region: "0-23" });
  expect(execFileSync("ps", ["-p", children.trim(), "-o", "stat="], { encoding: "utf8" })).toMatch(/^T/);
  await window.resize(60, 15);
  await window.type("fg");
  await window.press("Enter");
  // less chooses the lines; all are drawn, and as many as fit.
  const drawn = await window.until(/^(line \d+\n){14}:$/);
  const last = Number(/line (\d+)\n:$/.exec(drawn)?.[1]);
  expect(await window.modes()).toMatchObject({ alternate: true, cursorKeys: true });
  await window.press("Down");
  await expect
    .poll(async () => Number(/line (\d+)\n:$/.exec(await window.screen())?.[1]), { timeout: 15_000 })
    .toBeGreaterThan(last);
  await window.press("q");
  await window.until(/\$$/);
  expect(await window.modes()).toEqual({ ...INITIAL, region: "0-14" });
});

test("Ctrl-Z, another size, and fg: the process has the size of the window", async () => {
  const window = await openTmux(agent.url)(FIRST);
  await window.type("holdfast run --pty --tag sized sh -c 'while read line; do stty size; done'");
  await window.press("Enter");
  await window.until(/attached to process/);
  await window.press("Enter");
  await window.until(/^24 80$/m);
  const children = execFileSync("ps", ["--ppid", `${window.pid}`, "-o", "pid="], { encoding: "utf8" });
  process.kill(Number(children.trim().split("\n")[0]), "SIGTSTP");
  await window.until(/Stopped/);
  await window.resize(60, 15);
  await window.type("fg");
  await window.press("Enter");
  // The size arrives while the process runs; each line shows it again.
  await expect
    .poll(
      async () => {
        await window.press("Enter");
        return await window.screen();
      },
      { timeout: 15_000, interval: 500 },
    )
    .toMatch(/^15 60$/m);
  await window.press("C-d");
  await window.until(/\$$/);
});
