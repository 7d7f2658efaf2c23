// `holdfast run --pty` and `attach` on a real terminal: raw keys, window size, detach keys, and the mode of the terminal
// restored at the end.
import { execFileSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { cliPath } from "../../support/agent/agent.ts";
import { type OnTerminal, onTerminal } from "../../support/proc/on-terminal.ts";
import { finished, holdfast, holdfastOnTerminal, untilProcess } from "../holdfast.ts";

const agent = agentForFile();

const CTRL_C = "\u0003";
/** Without a trap, bash ignores a SIGINT that arrives while one of its children ends by itself. */
const ENDS_BY_CTRL_C = 'trap "exit 5" INT';
const CTRL_P = "\u0010";
const CTRL_Q = "\u0011";

/** `script` in bash on a pty, run from a terminal of 33 rows and 101 columns. */
function run(script: string, ...flags: string[]): OnTerminal {
  return holdfastOnTerminal(agent.url, ["run", "--pty", ...flags, "bash", "-c", script], {
    cols: 101,
    rows: 33,
  });
}

test("the terminal of the program has the size and kind of this one, and follows its size", async () => {
  const terminal = run(
    `${ENDS_BY_CTRL_C}; echo "$TERM"; stty size; trap "stty size" WINCH; echo ready; while :; do sleep 0.1; done`,
  );
  await terminal.waitFor(/\nxterm-256color\r\n33 101\r\nready\r\n$/);
  terminal.resize(64, 20);
  await terminal.waitFor(/\n20 64\r\n$/);
  terminal.type(CTRL_C);
  expect(await terminal.exited()).toBe(5);
});

test("each key reaches the program at once, and its output is shown unchanged", async () => {
  // Bare line feeds: this terminal must not move the cursor to the first column.
  const terminal = run("stty raw -echo; echo ready; head -c 3 | od -An -c; printf 'a\\nb\\n'");
  await terminal.waitFor(/ready/);
  terminal.type(CTRL_C);
  terminal.type(CTRL_P);
  terminal.type("x");
  expect(await terminal.exited()).toBe(0);
  expect(terminal.shown()).toMatch(/ready\n.*003 020 {3}x\na\nb\n$/);
});

test("the first detach key reaches the program if no other key follows", async () => {
  const terminal = run("stty raw -echo; echo ready; head -c 1 | od -An -c");
  await terminal.waitFor(/ready/);
  terminal.type(CTRL_P);
  await terminal.waitFor(/ready\n.*020/);
});

test("the detach keys are named at the start; they leave the process running, and the printed command continues at the next byte", async () => {
  const plain = { env: { NO_COLOR: "1" } };
  const script = 'read -p "name? " x; echo "hello $x"; exit 4';
  const terminal = holdfastOnTerminal(
    agent.url,
    ["run", "--pty", "--tag", "shell", "bash", "-c", script],
    plain,
  );
  const [, pid] = await terminal.waitFor(
    /^holdfast: attached to process (\d+); ctrl-p ctrl-q detaches\r\nname\? /,
  );
  terminal.type(`wor${CTRL_P}${CTRL_Q}`);
  const [, shown, from] = await terminal.waitFor(
    new RegExp(
      `detaches\r\n(.*)\r\nholdfast: detached; process ${pid} continues: holdfast attach ${pid} --from (\\d+)\r\n`,
    ),
  );
  expect(await terminal.exited()).toBe(0);
  await untilProcess(agent.url, "shell", { pid: Number(pid), subscribers: 0 });

  const back = holdfastOnTerminal(agent.url, ["attach", `${pid}`, "--from", `${from}`], plain);
  await back.waitFor(new RegExp(`^holdfast: attached to process ${pid};`));
  back.type("ld\r");
  expect(await back.exited()).toBe(4);
  const [, rest] = /detaches\r\n(.*)$/s.exec(back.shown()) ?? [];
  expect(`${shown}${rest}`).toBe("name? world\r\nhello world\r\n");
});

test("attach makes the program redraw its screen, although the size is the same", async () => {
  await finished(
    holdfast(agent.url, [
      ...["run", "--detach", "--pty", "--tag", "screen", "bash", "-c"],
      'trap "echo drawn for $(stty size)" WINCH; echo ready; while :; do sleep 0.1; done',
    ]),
  );
  const terminal = holdfastOnTerminal(agent.url, ["attach", "screen"], { cols: 80, rows: 24 });
  await terminal.waitFor(/drawn for/);
});

test("other detach keys can be chosen, or none", async () => {
  const terminal = run(
    "stty raw -echo; echo ready; head -c 2 | od -An -c; read x",
    "--detach-keys",
    "ctrl-],q",
  );
  await terminal.waitFor(/; ctrl-\] q detaches.*ready/s);
  terminal.type(`${CTRL_P}${CTRL_Q}`);
  await terminal.waitFor(/020 021/);
  terminal.type("\u001dq");
  expect(await terminal.exited()).toBe(0);

  const none = run("stty raw -echo; echo ready; head -c 2 | od -An -c", "--detach-keys", "none");
  await none.waitFor(/^ready/);
  none.type(`${CTRL_P}${CTRL_Q}`);
  await none.waitFor(/020 021/);
});

describe("the mode of the terminal is restored", () => {
  test("when the program has changed its own terminal and ends", async () => {
    const { code } = await modesAround(["run", "--pty", "bash", "-c", "stty raw -echo; exit 3"]);
    expect(code).toBe(3);
  });

  test("when the agent refuses", async () => {
    expect((await modesAround(["run", "--pty", "nosuch-command"])).code).toBe(127);
  });

  test("by the detach keys", async () => {
    const { code } = await modesAround(["run", "--pty", "sleep", "1000"], async (terminal) => {
      await terminal.waitFor(/detaches/);
      terminal.type(`${CTRL_P}${CTRL_Q}`);
    });
    expect(code).toBe(0);
  });

  test.each([
    ["SIGHUP", 129],
    ["SIGTERM", 143],
  ] as const)("by %s", async (signal, expected) => {
    const { code } = await modesAround(["run", "--pty", "sleep", "1000"], async (terminal, pid) => {
      await terminal.waitFor(/detaches/);
      process.kill(pid, signal);
    });
    expect(code).toBe(expected);
  });

  test("by a crash", async () => {
    const crash = 'process.on("SIGPWR", () => { throw new Error("made to crash"); })';
    const { code, terminal } = await modesAround(
      ["run", "--pty", "sleep", "1000"],
      async (shown, pid) => {
        await shown.waitFor(/detaches/);
        process.kill(pid, "SIGPWR");
      },
      ["--import", `data:text/javascript,${crash}`],
    );
    expect(code).toBe(125);
    expect(terminal.shown()).toMatch(/holdfast: this is a bug in holdfast: Error: made to crash/);
  });
});

test("after stop and continue, it reads keys in raw mode again and sends the new size", async () => {
  const terminal = run(`${ENDS_BY_CTRL_C}; trap "stty size" WINCH; echo ready; while :; do sleep 0.1; done`);
  await terminal.waitFor(/ready/);
  const tty = readlinkSync(`/proc/${terminal.pid}/fd/0`);
  terminal.kill("SIGSTOP");
  // As a shell does that uses the terminal meanwhile.
  execFileSync("stty", ["-F", tty, "sane", "rows", "10", "cols", "50"]);
  terminal.kill("SIGCONT");
  await terminal.waitFor(/10 50/);
  await expect.poll(() => execFileSync("stty", ["-F", tty, "-a"], { encoding: "utf8" })).toMatch(/-icanon/);
  terminal.type(CTRL_C);
  expect(await terminal.exited()).toBe(5);
});

test("when the terminal is closed, this command ends by SIGHUP and the process continues", async () => {
  const terminal = run('echo ready; read x; echo "$x"; exit 3', "--tag", "outlives");
  await terminal.waitFor(/ready/);
  terminal.hangUp();
  // Not by another signal: Node would abort.
  expect(await terminal.exited()).toBe(129);
  const { exit } = await untilProcess(agent.url, "outlives", { subscribers: 0 });
  expect(exit).toBeUndefined();
});

test("notices of holdfast are colored on a terminal, and not with NO_COLOR", async () => {
  const notice = /holdfast: attached to process \d+; ctrl-p ctrl-q detaches/;
  const coloured = run("exit");
  await coloured.exited();
  expect(coloured.shown().replace(notice, "NOTICE")).toBe("\u001b[33mNOTICE\u001b[39m\r\n");
  const plain = holdfastOnTerminal(agent.url, ["run", "--pty", "true"], { env: { NO_COLOR: "1" } });
  await plain.exited();
  expect(plain.shown().replace(notice, "NOTICE")).toBe("NOTICE\r\n");
});

/** Runs it in a shell that compares the terminal's modes before and after. */
async function modesAround(
  args: readonly string[],
  act: (terminal: OnTerminal, pid: number) => Promise<void> = async () => undefined,
  nodeArgs: readonly string[] = [],
) {
  const script =
    'before=$(stty -g); sh -c \'echo "PID $$"; exec "$@"\' sh "$@"; code=$?; [ "$before" = "$(stty -g)" ] && echo "AS BEFORE $code"';
  const terminal = onTerminal(["sh", "-c", script, "sh", process.execPath, ...nodeArgs, cliPath, ...args], {
    env: { HOLDFAST_URL: agent.url },
  });
  const [, pid] = await terminal.waitFor(/PID (\d+)/);
  await act(terminal, Number(pid));
  const [, code] = await terminal.waitFor(/AS BEFORE (\d+)/);
  return { code: Number(code), terminal };
}
