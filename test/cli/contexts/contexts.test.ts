// Contexts, the flags before and after a command, and the variables: which agent a command calls.
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { startAgent } from "../../support/agent/agent.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { type Finished, finished, holdfast, holdfastOnTerminal, leave } from "../holdfast.ts";

const agent = agentForFile();

let home = "";
beforeEach(() => {
  home = createTempFolder();
});
const configFile = () => join(home, "holdfast/config.json");

/** Without HOLDFAST_URL, unless `env` has it. */
function command(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  return finished(holdfast("", args, { env: { XDG_CONFIG_HOME: home, ...env } }));
}

const done = { code: 0, stderr: "" };

test("a context in use is called without a flag, and is kept in a file that only its user can read", async () => {
  await leave(agent.url, "exec sleep 1000", { tag: "here" });
  expect(await command(["context", "add", "prod", "--url", agent.url, "--use"])).toMatchObject(done);
  const { stdout } = await command(["ps"]);
  expect(stdout).toContain(" here ");
  expect(statSync(configFile()).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(configFile(), "utf8"))).toEqual({
    current: "prod",
    contexts: { prod: { url: agent.url } },
  });
});

test("--context works before and after the command, and HOLDFAST_CONTEXT without a flag", async () => {
  await leave(agent.url, "exec sleep 1000", { tag: "here" });
  await command(["context", "add", "prod", "--url", agent.url]);
  for (const args of [
    ["--context", "prod", "ps"],
    ["ps", "--context", "prod"],
  ])
    expect((await command(args)).stdout).toContain(" here ");
  expect((await command(["ps"], { HOLDFAST_CONTEXT: "prod" })).stdout).toContain(" here ");
});

test("--url before or after the command wins over HOLDFAST_URL, and that over the context in use", async () => {
  await leave(agent.url, "exec sleep 1000", { tag: "here" });
  await command(["context", "add", "dead", "--url", "127.0.0.1:1", "--use"]);
  expect((await command(["ps"])).stderr).toContain(
    'no agent at http://127.0.0.1:1: nothing listens there (context "dead"',
  );
  expect((await command(["ps"], { HOLDFAST_URL: agent.url })).stdout).toContain(" here ");
  const elsewhere = { HOLDFAST_URL: "http://127.0.0.1:2" };
  for (const args of [
    ["--url", agent.url, "ps"],
    ["ps", "--url", `127.0.0.1:${agent.port}`],
  ])
    expect((await command(args, elsewhere)).stdout).toContain(" here ");
});

test("a command that says how to return repeats the flags that chose the agent", async () => {
  await command(["context", "add", "prod", "--url", agent.url]);
  const env = { XDG_CONFIG_HOME: home, HOLDFAST_URL: undefined };
  const terminal = holdfastOnTerminal("", ["--context", "prod", "run", "--pty", "sleep", "1000"], { env });
  await terminal.waitFor(/detaches/);
  terminal.type("\u0010\u0011");
  await terminal.waitFor(/holdfast attach --context prod \d+ --from 0/);
  expect(await terminal.exited()).toBe(0);
});

test("ls lists the contexts, use chooses one, default chooses none, rm removes it", async () => {
  await command(["context", "add", "a", "--url", "unix:/run/a.sock"]);
  writeFileSync(join(home, "token"), "0123456789abcdef", { mode: 0o600 });
  await command(["context", "add", "b", "--url", "host:1", "--access-token-file", join(home, "token")]);
  await command(["context", "use", "b"]);
  expect((await command(["context", "ls"])).stdout).toBe(
    `NAME  URL               TOKEN FILE\na     unix:/run/a.sock  -\nb *   http://host:1     ${join(home, "token")}\n`,
  );
  expect(JSON.parse((await command(["context", "ls", "--json"])).stdout)).toEqual([
    { name: "a", current: false, url: "unix:/run/a.sock", access_token_file: null, ca: null },
    { name: "b", current: true, url: "http://host:1", access_token_file: join(home, "token"), ca: null },
  ]);
  expect(await command(["context", "use", "default"])).toMatchObject(done);
  expect((await command(["context", "ls"])).stdout).not.toContain("*");
  expect(await command(["context", "rm", "a", "b"])).toMatchObject(done);
  expect((await command(["context", "ls", "--json"])).stdout).toBe("[]\n");
});

test("the token of a context is sent to its agent, also if a variable holds another one", async () => {
  const file = join(home, "token");
  writeFileSync(file, "the-right-token-of-16\n", { mode: 0o600 });
  const { url } = await startAgent({ args: ["--access-token-file", file] });
  await command(["context", "add", "prod", "--url", url, "--access-token-file", file, "--use"]);
  expect(await command(["ps"], { HOLDFAST_ACCESS_TOKEN: "another-token-of-16" })).toMatchObject(done);
  const other = join(home, "other");
  writeFileSync(other, "another-token-of-16\n", { mode: 0o600 });
  expect((await command(["--access-token-file", other, "ps"])).stderr).toContain(
    `the agent at ${url} refuses the access token of the file ${other}`,
  );
});

test("an unknown context and a damaged file are one line that says what to do", async () => {
  expect(await command(["--context", "nope", "ps"])).toEqual({
    code: 2,
    stdout: "",
    stderr:
      'holdfast: no context is called "nope": there is none yet (holdfast context add nope --url URL)\n',
  });
  mkdirSync(join(home, "holdfast"));
  writeFileSync(configFile(), '{"contexts": []}');
  const damaged = `holdfast: the file of the contexts, ${configFile()}, is damaged ("contexts" is not an object): repair or remove it\n`;
  expect(await command(["ps"])).toEqual({ code: 2, stdout: "", stderr: damaged });
  expect(await command(["context", "ls"])).toEqual({ code: 1, stdout: "", stderr: damaged });
  // Not needed for this one.
  expect(await command(["ps", "--url", agent.url])).toMatchObject(done);
});

test("contexts that cannot be written are one line with the reason", async () => {
  writeFileSync(join(home, "holdfast"), "");
  expect(await command(["context", "add", "a", "--url", "host"])).toEqual({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(/^holdfast: the folder of the contexts cannot be created: E[A-Z]+: .*\n$/),
  });
});

test("two names for the agent, and a flag that a command does not use, are usage errors", async () => {
  const both = await command(["--url", agent.url, "ps", "--context", "x"]);
  expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining("name two agents") });
  const serve = await command(["--url", agent.url, "serve"]);
  expect(serve).toMatchObject({
    code: 2,
    stderr: "holdfast: option '--url' before 'serve' has no effect: this command does not call an agent.\n",
  });
});

test("a token file that everybody can read and a token of five letters are reported, unless --quiet", async () => {
  const file = join(home, "token");
  writeFileSync(file, "abcde");
  chmodSync(file, 0o644);
  const { url } = await startAgent({ args: ["--access-token-file", file] });
  const env = { HOLDFAST_ACCESS_TOKEN_FILE: file };
  expect(await command(["--url", url, "ps"], env)).toMatchObject({
    code: 0,
    stderr:
      `holdfast: every user of this machine can read the access token in ${file}: chmod 600 ${file}\n` +
      "holdfast: the access token has 5 characters, which can be guessed: give the agent one of 32 or more (openssl rand -hex 32)\n",
  });
  for (const args of [
    ["--quiet", "--url", url, "signal", "x", "TERM"],
    ["--url", url, "signal", "--quiet", "x", "TERM"],
  ])
    expect((await command(args, env)).stderr).toBe(
      'holdfast: no process has the pid, tag or process_id "x" (holdfast ps --all lists them)\n',
    );
});

test("an agent on a Unix socket is called by its address", async () => {
  const path = join(home, "socket");
  const listening = holdfast("", ["serve", "--listen", `unix:${path}`], { env: { XDG_CONFIG_HOME: home } });
  await listening.waitFor("stdout", /listening/);
  const url = `unix:${path}`;
  for (const [args, env] of [
    [["--url", url, "run", "--", "echo", "hi"], {}],
    [["run", "--", "echo", "hi"], { HOLDFAST_URL: url }],
  ] as const)
    expect(await command(args, env)).toEqual({ code: 0, stdout: "hi\n", stderr: "" });
});
