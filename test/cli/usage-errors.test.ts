// Wrong command lines: one line that names the flag or variable, the value and the valid values, exit code 2, nothing on
// stdout, no stack trace.
import { expect, test } from "vitest";
import { runCommand } from "../support/agent/agent.ts";

const port = "A port is a whole number from 0 to 65535; 0 picks a free one.";
const duration = "A duration is a number and its unit (ms, s, m or h), such as 200ms, 1.5s or 2m.";
const host = "A host is an IP address or a name, without scheme or port: 127.0.0.1, ::1, localhost.";

const url = "An agent's address is http://127.0.0.1:49983, 127.0.0.1:49983 or unix:/run/holdfast.sock.";
const offset = "An offset is a whole number of bytes; 0 is the first byte of output.";
const signals =
  "It is one of SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGUSR1, SIGUSR2, SIGTERM, SIGCONT, SIGSTOP, SIGWINCH.";

const wrongFlags: [string[], string][] = [
  [["serve", "--port", "abc"], `option '--port <port>' argument 'abc' is invalid. ${port}`],
  [["serve", "--port", "65536"], `option '--port <port>' argument '65536' is invalid. ${port}`],
  [["serve", "--port", "-1"], `option '--port <port>' argument '-1' is invalid. ${port}`],
  [["serve", "--port="], `option '--port <port>' argument '' is invalid. ${port}`],
  [["serve", "--port"], "option '--port <port>' argument missing"],
  [
    ["serve", "--drain-timeout", "5"],
    `option '--drain-timeout <duration>' argument '5' is invalid. ${duration}`,
  ],
  [
    ["serve", "--shutdown-grace", "soon"],
    `option '--shutdown-grace <duration>' argument 'soon' is invalid. ${duration}`,
  ],
  [
    ["serve", "--shutdown-grace", "577h"],
    "option '--shutdown-grace <duration>' argument '577h' is invalid. The longest duration is 576h (24 days).",
  ],
  [
    ["serve", "--replay", "1MB"],
    "option '--replay <size>' argument '1MB' is invalid. A size is a number and its unit (B, KiB, MiB or GiB), such as 64MiB.",
  ],
  [
    ["serve", "--detached", "forever"],
    "option '--detached <mode>' argument 'forever' is invalid. It is one of block, buffer, ring.",
  ],
  [["serve", "--host", "http://[::1]"], `option '--host <host>' argument 'http://[::1]' is invalid. ${host}`],
  [
    ["serve", "--host", "two\nlines\u001b[31m"],
    `option '--host <host>' argument 'two lines [31m' is invalid. ${host}`,
  ],
  [
    ["serve", "--log-level", "loud"],
    "option '--log-level <level>' argument 'loud' is invalid. It is one of debug, info, warn, error, silent.",
  ],
  [
    ["serve", "--log-format", "xml"],
    "option '--log-format <format>' argument 'xml' is invalid. It is one of auto, pretty, json.",
  ],
  [["serve", "--prot", "1"], "unknown option '--prot' (Did you mean --port?)"],
  [
    ["serve", "extra"],
    "too many arguments for 'serve'. Expected 0 arguments but got 1. (holdfast serve --help)",
  ],
  [["srve"], "unknown command 'srve' (Did you mean serve?)"],
  [["--bogus"], "unknown option '--bogus' (holdfast --help)"],
  [["ps", "--url", "ftp://x:1"], `option '--url <url>' argument 'ftp://x:1' is invalid. ${url}`],
  [["--url", "ftp://x:1", "ps"], `option '--url <url>' argument 'ftp://x:1' is invalid. ${url}`],
  [
    ["frobnicate"],
    "unknown command 'frobnicate'. To run it there: holdfast run -- frobnicate. holdfast --help lists the commands.",
  ],
  [["-frob"], "unknown option '-frob' (holdfast --help)"],
  [["attach", "-t", "x"], "'attach -t' is not a command of holdfast. Use: holdfast attach NAME"],
  [
    ["split-window"],
    "'split-window' is not a command of holdfast. A terminal is one process; a second one is a second process. Use: holdfast shell NAME",
  ],
  [["context", "add"], "required option '--url <url>' not specified (holdfast context add --help)"],
  [["context", "use", "x", "-y"], "unknown option '-y' (holdfast context use --help)"],
  [
    ["root@host"],
    "unknown command 'root@host'. Use: holdfast --url host shell. holdfast --help lists the commands.",
  ],
  ...["table", "yaml", "", "{"].map((format): [string[], string] => [
    ["inspect", "--format", format, "x"],
    `option '-f, --format <format>' argument '${format}' is invalid. A format is json, or a template such as '{{.Pid}} {{.Tag}}'.`,
  ]),
  ...["json ", "yaml", ""].map((format): [string[], string] => [
    ["ps", "--format", format],
    `option '--format <format>' argument '${format}' is invalid. A format is table, json, or a template such as '{{.Pid}} {{.Tag}}'.`,
  ]),
  ...["ps", "inspect"].map((command): [string[], string] => [
    [command, "--json", "--format", "{{.Pid}}", ...(command === "ps" ? [] : ["x"])],
    "--json and --format name two formats: leave out one of them",
  ]),
  [["ps", "extra"], "too many arguments for 'ps'. Expected 0 arguments but got 1. (holdfast ps --help)"],
  [["logs"], "missing required argument 'selector' (holdfast logs --help)"],
  [["logs", "x", "--from", "start"], `option '--from <offset>' argument 'start' is invalid. ${offset}`],
  [["signal", "x"], "missing required argument 'signal' (holdfast signal --help)"],
  [
    ["signal", "x", "SIGALRM"],
    `command-argument value 'SIGALRM' is invalid for argument 'signal'. ${signals}`,
  ],
];

test.each(wrongFlags)("%j is one line and exit code 2", async (args, line) => {
  await expectUsageError(runCommand({ args }), line);
});

const wrongVariables: [string, string, string][] = [
  ["HOLDFAST_HOST", "a b", `option '--host <host>' value 'a b' from env 'HOLDFAST_HOST' is invalid. ${host}`],
  [
    "HOLDFAST_PORT",
    "70000",
    `option '--port <port>' value '70000' from env 'HOLDFAST_PORT' is invalid. ${port}`,
  ],
  [
    "HOLDFAST_DRAIN_TIMEOUT",
    "200",
    `option '--drain-timeout <duration>' value '200' from env 'HOLDFAST_DRAIN_TIMEOUT' is invalid. ${duration}`,
  ],
  [
    "HOLDFAST_SHUTDOWN_GRACE",
    "-1s",
    `option '--shutdown-grace <duration>' value '-1s' from env 'HOLDFAST_SHUTDOWN_GRACE' is invalid. ${duration}`,
  ],
  [
    "HOLDFAST_LOG_LEVEL",
    "INFO",
    "option '--log-level <level>' value 'INFO' from env 'HOLDFAST_LOG_LEVEL' is invalid. It is one of debug, info, warn, error, silent.",
  ],
  [
    "HOLDFAST_LOG_FORMAT",
    "text",
    "option '--log-format <format>' value 'text' from env 'HOLDFAST_LOG_FORMAT' is invalid. It is one of auto, pretty, json.",
  ],
];

test.each(wrongVariables)("%s=%s is one line and exit code 2", async (name, value, line) => {
  await expectUsageError(runCommand({ args: ["serve"], env: { [name]: value } }), line);
});

test.each([
  ["run", "--detach-keys", "strg-c", "true"],
  ["run", "--while-detached", "sometimes", "true"],
  ["run", "--env", "=1", "true"],
  ["run", "--tag", "", "true"],
  ["run", "--name=", "", "true"],
  ["attach", "--give-up-after", "5", "x"],
])("%s %s %s is one line and exit code 125, which programs rarely use", async (...args) => {
  const command = runCommand({ args });
  expect((await command.exited()).code).toBe(125);
  expect(command.stdout()).toBe("");
  expect(command.stderr()).toMatch(/^holdfast: option '.*' argument '.*' is invalid\. .*\n$/);
});

async function expectUsageError(command: ReturnType<typeof runCommand>, line: string): Promise<void> {
  const exit = await command.exited();
  expect(command.stderr()).toBe(`holdfast: ${line}\n`);
  expect(command.stdout()).toBe("");
  expect(exit).toEqual({ code: 2, signal: null });
}
