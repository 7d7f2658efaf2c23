// The environment of a process (DESIGN.md, "What clients rely on").

import { userInfo } from "node:os";
import { env } from "node:process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { agentDefaults, type StartRequest } from "../../../src/process/index.ts";
import { inheritedPath } from "../../../src/process/start/environment.ts";
import { outputOf } from "../../support/agent/process-output.ts";
import { createTable } from "../../support/agent/process-table.ts";
import { command, PTY } from "../../support/clients/start-requests.ts";

const { username, homedir } = userInfo();
const own = { PATH: inheritedPath(env), HOME: homedir, USER: username, LOGNAME: username };

beforeAll(() => {
  env["SECRET_OF_THE_AGENT"] = "not for children";
});
afterAll(() => {
  delete env["SECRET_OF_THE_AGENT"];
});

test("on pipes a process has exactly PATH, HOME, USER and LOGNAME, and no other variable of the agent", async () => {
  expect(await environmentOf({})).toEqual(own);
});

test("on a terminal a process also has TERM and LANG", async () => {
  expect(await environmentOf({ stdio: PTY })).toEqual({ ...own, TERM: "xterm-256color", LANG: "C.UTF-8" });
});

test("TERM of the agent-wide variables or of the request overrides the default", async () => {
  expect(await environmentOf({ stdio: PTY }, { TERM: "vt100", LANG: "de_DE.UTF-8" })).toEqual({
    ...own,
    TERM: "vt100",
    LANG: "de_DE.UTF-8",
  });
  expect(await environmentOf({ stdio: PTY, environment: { TERM: "dumb" } }, { TERM: "vt100" })).toEqual({
    ...own,
    TERM: "dumb",
    LANG: "C.UTF-8",
  });
});

test("agent-wide variables replace the user's, and those of the request replace both", async () => {
  const agentWide = { HOME: "/agent", USER: "agent", WIDE: "agent", BOTH: "agent" };
  const environment = { USER: "request", BOTH: "request", MINE: "request" };

  expect(await environmentOf({ environment }, agentWide)).toEqual({
    ...own,
    HOME: "/agent",
    USER: "request",
    WIDE: "agent",
    BOTH: "request",
    MINE: "request",
  });
});

test("values may be empty or hold =, newlines and UTF-8, and names may be special in JavaScript", async () => {
  const environment = Object.fromEntries([
    ["EMPTY", ""],
    ["EQUALS", "a=b=c"],
    ["LINES", "one\ntwo"],
    ["UMLAUT", "Grüße 🌍"],
    ["__proto__", "own"],
    ["constructor", "own"],
    ["7", "seven"],
    ["with space", "x"],
  ]);

  expect(await environmentOf({ environment })).toEqual(
    Object.fromEntries([...Object.entries(own), ...Object.entries(environment)]),
  );
});

test("without PATH in the environment of the agent a process has none, and commands are still found", async () => {
  const path = env["PATH"];
  try {
    delete env["PATH"];
    expect(await environmentOf({})).toEqual({ HOME: homedir, USER: username, LOGNAME: username });
  } finally {
    env["PATH"] = path;
  }
});

test("folders that npm adds to PATH for a script do not reach commands", () => {
  const PATH = "/p/node_modules/.bin:/node_modules/.bin:/n/node-gyp-bin:/usr/bin:/x/node_modules/.bin/y";
  expect(inheritedPath({ PATH, npm_lifecycle_event: "start" })).toBe("/usr/bin:/x/node_modules/.bin/y");
  expect(inheritedPath({ PATH })).toBe(PATH);
  expect(inheritedPath({})).toBe(undefined);
});

async function environmentOf(
  request: Partial<StartRequest>,
  agentWide: Readonly<Record<string, string>> = {},
): Promise<Record<string, string>> {
  const table = createTable({ defaults: agentDefaults({ environment: agentWide }) });
  const { stdout, pty, end } = await outputOf(await table.start(command("env", ["-0"], request)));
  expect(end.exitCode).toBe(0);
  const lines = (stdout + pty).split("\0").slice(0, -1);
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}
