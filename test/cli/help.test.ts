import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { runCommand } from "../support/agent/agent.ts";

const commands = [
  ...["serve", "run", "shell", "attach", "ps", "logs", "top", "inspect"],
  ...["cp", "ls", "cat", "edit", "sync"],
  ...["wait", "kill", "signal", "context", "version", "doctor"],
];

async function printed(...args: string[]) {
  const command = runCommand({ args });
  return { exit: await command.exited(), stdout: command.stdout(), stderr: command.stderr() };
}

test("--help names every command and fits a terminal of 80 columns", async () => {
  const { exit, stdout, stderr } = await printed("--help");
  expect(exit.code).toBe(0);
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^Usage: holdfast /);
  for (const name of commands) expect(stdout).toMatch(new RegExp(`^ {2}${name} `, "m"));
  expect(longestLine(stdout)).toBeLessThanOrEqual(80);
});

test("serve --help names every flag with its default and its variable, the exit codes and an example", async () => {
  const { exit, stdout, stderr } = await printed("serve", "--help");
  expect(exit.code).toBe(0);
  expect(stderr).toBe("");
  const text = stdout.replace(/\s+/g, " ");
  for (const [flag, fallback] of [
    ["--host", "127.0.0.1"],
    ["--port", "49983"],
    ["--drain-timeout", "200ms"],
    ["--shutdown-grace", "5s"],
    ["--detached", "block"],
    ["--detached-buffer", "4MiB"],
    ["--replay", "1MiB"],
    ["--memory-budget", "64MiB"],
    ["--stall-timeout", "10s"],
    ["--retain-ended", "60s"],
    ["--log-level", "info"],
    ["--log-format", "auto"],
  ] as const) {
    const variable = `HOLDFAST_${flag.slice(2).toUpperCase().replaceAll("-", "_")}`;
    expect(text).toContain(`${flag} <`);
    expect(text).toContain(`(default: ${fallback}, env: ${variable})`);
  }
  expect(stdout).toMatch(/^Exit codes:$/m);
  expect(stdout).toMatch(/^Examples:\n {2}holdfast serve$/m);
  expect(longestLine(stdout)).toBeLessThanOrEqual(80);
});

test.each(commands)(
  "%s --help has its exit codes and examples, and fits a terminal of 80 columns",
  async (name) => {
    const { exit, stdout, stderr } = await printed(name, "--help");
    expect({ code: exit.code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(new RegExp(`^Usage: holdfast ${name} `));
    expect(stdout).toMatch(/^Exit codes:$/m);
    expect(stdout).toMatch(new RegExp(`^Examples:\n.*holdfast ${name}`, "m"));
    expect(longestLine(stdout)).toBeLessThanOrEqual(80);
    if (!["serve", "doctor", "context"].includes(name))
      expect(stdout.replace(/\s+/g, " ")).toContain("(default: http://127.0.0.1:49983, env: HOLDFAST_URL)");
  },
);

test("help serve is serve --help", async () => {
  expect(await printed("help", "serve")).toEqual(await printed("serve", "--help"));
});

test("--version prints the package's version", async () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  expect(await printed("--version")).toEqual({
    exit: { code: 0, signal: null },
    stdout: `${version}\n`,
    stderr: "",
  });
});

test("a missing command is a usage error that prints the help to stderr", async () => {
  const { exit, stdout, stderr } = await printed();
  expect(exit.code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^Usage: holdfast /);
});

function longestLine(text: string): number {
  return Math.max(...text.split("\n").map((line) => line.length));
}
