// `holdfast completion`: the candidates, and the scripts in real shells.
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { candidatesFor } from "../../../src/cli/completion/candidates.ts";
import { createProgram } from "../../../src/cli/program.ts";
import { readDetachKeys } from "../../../src/cli/session/detach-keys.ts";
import { agentForFile } from "../../client/file-agent.ts";
import { cleanEnvironment, cliPath } from "../../support/agent/agent.ts";
import { onTerminal } from "../../support/proc/on-terminal.ts";
import { needPrograms } from "../../support/programs.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { finished, holdfast, leave, untilProcess } from "../holdfast.ts";

const agent = agentForFile();
const run = promisify(execFile);
const program = createProgram(() => undefined);

function known(...words: readonly string[]) {
  const { known: found, ask } = candidatesFor(program, words);
  return { values: found.map(({ value }) => value), ask };
}

test("commands, the flags of a command, and the values of a flag are candidates", () => {
  expect(known("").values).toEqual(expect.arrayContaining(["run", "ps", "logs", "context", "completion"]));
  expect(known("").values.filter((value) => value.startsWith("__"))).toEqual([]);
  expect(known("ps", "-").values).toEqual(expect.arrayContaining(["--all", "--filter", "--url", "--help"]));
  expect(known("top", "--sort", "").values).toEqual(["cpu", "memory", "output", "pid", "age"]);
  expect(known("top", "--sort=").values).toContain("--sort=cpu");
  expect(known("ps", "--filter", "status=").values).toContain("status=blocked");
  expect(known("--url", "x", "ps", "--context", "").ask).toBe("contexts");
  expect(known("help", "").values).toContain("logs");
  expect(known("context", "").values).toEqual(["add", "use", "ls", "rm"]);
  expect(known("context", "use", "").ask).toBe("contexts");
  expect(known("").values).toContain("exec");
  expect(known("--context=p")).toEqual({ values: [], ask: "contexts" });
  expect(known("inspect", "--format", "").values).toEqual(["json"]);
  expect(known("cp", "--links", "").values).toEqual(["refuse", "skip", "keep"]);
  expect(known("serve", "--file-access", "").values).toEqual(["agent", "user"]);
  expect(known("serve", "--page-out", "").values).toEqual(["yes", "no"]);
  expect(known("serve", "--token-file", "").ask).toBe("files");
  expect(known("console", "--process", "").ask).toBe("running");
  expect(known("run", "-w", "").ask).toBe("remote folders");
});

test("the values of --env, --to, --default-workdir, --detach-keys and --tail are candidates", () => {
  for (const command of ["run", "shell"]) {
    expect(known(command, "-e", "")).toEqual({ values: [], ask: "variables" });
    expect(known(command, "--env=PA")).toEqual({ values: [], ask: "variables" });
  }
  expect(known("run", "-e", "PATH=/b")).toEqual({ values: [], ask: undefined });
  expect(known("upgrade", "--to", "")).toEqual({ values: ["/"], ask: undefined });
  expect(known("upgrade", "--to", "/usr/lo")).toEqual({ values: [], ask: "remote paths" });
  expect(known("serve", "--default-workdir", "").ask).toBe("directories");
  expect(known("logs", "--tail", "")).toEqual({ values: ["all"], ask: undefined });
  expect(known("run", "--detach-keys", "").values).toEqual(
    expect.arrayContaining(["ctrl-p,ctrl-q", "none", "ctrl-a", "ctrl-]"]),
  );
  const [first] = known("attach", "--detach-keys", "ctrl-a,c").values;
  expect(first).toBe("ctrl-a,ctrl-a");
});

test("every key that completion offers for --detach-keys is accepted", () => {
  for (const typed of ["", "ctrl-a,"])
    for (const keys of known("run", "--detach-keys", typed).values)
      expect(() => readDetachKeys(keys)).not.toThrow();
});

test("a user is one of the agent's machine: neither users nor files of this one are candidates", () => {
  for (const [command, flag] of [
    ["run", "-u"],
    ["shell", "--user"],
    ["cp", "-u"],
    ["serve", "--default-user"],
  ] as const)
    expect(known(command, flag, "")).toEqual({ values: [], ask: undefined });
});

test("arguments are processes, signals, shells, and the words of the program to run", () => {
  expect(known("attach", "").ask).toBe("running");
  expect(known("logs", "-f", "").ask).toBe("processes");
  expect(known("signal", "--group", "web", "").values).toContain("TERM");
  expect(known("signal", "web", "sigk").values).toContain("sigkill");
  expect(known("kill", "-s", "SIGK").values).toContain("SIGKILL");
  expect(known("kill", "-K").values).toContain("-KILL");
  expect(known("completion", "").values).toEqual(["bash", "zsh", "fish"]);
  expect(known("run", "").ask).toBe("commands");
  expect(known("run", "-t", "--", "").ask).toBe("commands");
  expect(known("run", "-t", "ls", "").ask).toBe("files");
  expect(known("run", "ls", "--").ask).toBe("files");
  expect(known("run", "--access-token-file", "").ask).toBe("files");
});

test("__complete prints the tags of running processes that begin as typed, and nothing without an agent", async () => {
  await leave(agent.url, "exec sleep 1000", { tag: "web-server" });
  await leave(agent.url, "exec sleep 1000", { tag: "worker" });
  await leave(agent.url, "true", { tag: "web-old" });
  await untilProcess(agent.url, "web-old", { exit: expect.anything() });
  const complete = async (url: string, ...words: string[]) =>
    finished(holdfast(url, ["__complete", "--", ...words]));
  expect(await complete(agent.url, "attach", "we")).toEqual({
    code: 0,
    stdout: "web-server\tbash -c 'exec sleep 1000'\n",
    stderr: "",
  });
  expect((await complete(agent.url, "logs", "web-o")).stdout).toContain("web-old\t");
  expect((await complete("http://127.0.0.1:1", "--url", agent.url, "attach", "wo")).stdout).toContain(
    "worker",
  );
  expect(await complete("http://127.0.0.1:1", "attach", "")).toEqual({ code: 0, stdout: "", stderr: "" });
});

let env: NodeJS.ProcessEnv = {};
/** A folder with the file `certificate`, in which the shells run. */
let cwd = "";
beforeEach(() => {
  const bin = createTempFolder();
  cwd = createTempFolder();
  writeFileSync(join(cwd, "certificate"), "");
  mkdirSync(join(cwd, "certificates"));
  mkdirSync(join(bin, "holdfast-config", "holdfast"), { recursive: true });
  const contexts = { contexts: { prod: { url: agent.url } } };
  writeFileSync(join(bin, "holdfast-config", "holdfast", "config.json"), JSON.stringify(contexts), {
    mode: 0o600,
  });
  writeFileSync(join(bin, "holdfast"), `#!/bin/sh\nexec '${process.execPath}' '${cliPath}' "$@"\n`);
  chmodSync(join(bin, "holdfast"), 0o755);
  env = cleanEnvironment({
    HOLDFAST_URL: agent.url,
    XDG_CONFIG_HOME: join(bin, "holdfast-config"),
    PATH: `${bin}${delimiter}${process.env["PATH"]}`,
  });
});

/** Lines that a person has typed up to the cursor, and what must be offered among others. */
const typedLines = [
  ["holdfast insp", "inspect"],
  ["holdfast ps --filt", "--filter"],
  ["holdfast attach we", "web"],
  ["holdfast signal web KI", "KILL"],
  ["holdfast top --sort ou", "output"],
  ["holdfast ps --filter status=blo", "blocked"],
  ["holdfast ps --filter tag=we", "web"],
  ["holdfast ps --context=pr", "prod"],
  ["holdfast ps --ca=cert", "certificate"],
  ["holdfast cp cert", "certificate"],
  ["holdfast run -w /etc/def", "/etc/default/"],
  ["holdfast kill -KI", "-KILL"],
  ["holdfast kill -s SIGKI", "SIGKILL"],
  ["holdfast run -e XDG_CONF", "XDG_CONFIG_HOME"],
  ["holdfast run --env=XDG_CONF", "XDG_CONFIG_HOME"],
  ["holdfast serve --default-workdir cert", "certificates"],
  ["holdfast serve --default-workdir=cert", "certificates"],
  ["holdfast upgrade --to /etc/hostn", "/etc/hostname"],
  ["holdfast run --detach-keys ctrl-p,ctrl-x,ctrl-", "ctrl-p,ctrl-x,ctrl-q"],
  ["holdfast logs --tail a", "all"],
] as const;

test.each(typedLines)("bash completes %j with %j", async (line, expected) => {
  await leave(agent.url, "exec sleep 1000", { tag: "web" });
  const script = `source <(holdfast completion bash); COMP_LINE='${line}' COMP_POINT=${line.length}; _holdfast; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await run("bash", ["--norc", "-c", script], { env, cwd });
  expect(stdout.split("\n")).toContain(expected);
});

test.each(typedLines)("fish completes %j with %j", async (line, expected) => {
  needPrograms("fish");
  await leave(agent.url, "exec sleep 1000", { tag: "web" });
  const script = `holdfast completion fish | source; complete -C '${line}'`;
  const { stdout } = await run("fish", ["--no-config", "-c", script], { env, cwd });
  // fish shows what is a directory.
  const values = stdout.split("\n").map((offered) => offered.replace(/\/?(\t.*)?$/, ""));
  const wanted = expected.replace(/\/$/, "");
  expect(
    values.some((value) => value === wanted || value.endsWith(`=${wanted}`)),
    stdout,
  ).toBe(true);
});

test.each(typedLines)("zsh completes %j with %j when Tab is pressed", async (line, expected) => {
  needPrograms("zsh");
  await leave(agent.url, "exec sleep 1000", { tag: "web" });
  const zsh = onTerminal(["zsh", "-f", "-i"], {
    env: { ...env, HOME: createTempFolder(), PS1: "> " },
    cols: 200,
  });
  await zsh.waitFor(/> /);
  zsh.type(
    `cd ${cwd}; autoload -Uz compinit && compinit -u -D; source <(holdfast completion zsh); echo re''ady\r`,
  );
  await zsh.waitFor(/ready/);
  const from = zsh.shown().length;
  zsh.type(`${line}\t`);
  // zsh may ring between what is typed and what it adds.
  await zsh.waitFor(new RegExp([...expected].join(".?")), from);
  zsh.type("\u0003exit\r");
});

const offered = {
  bash: `source <(holdfast completion bash); COMP_LINE="$LINE" COMP_POINT=\${#LINE}; _holdfast; printf '%s\\n' "\${COMPREPLY[@]}"`,
  fish: 'holdfast completion fish | source; complete -C "$LINE"',
} as const;

test.each(["bash", "fish"] as const)("%s offers no file for a directory or a user", async (shell) => {
  if (shell === "fish") needPrograms("fish");
  for (const [line, expected] of [
    ["holdfast serve --default-workdir cert", /^certificates\/?\n$/],
    ["holdfast run -u cert", /^\n?$/],
    ["holdfast run -e cert", /^\n?$/],
  ] as const) {
    const args = [shell === "bash" ? "--norc" : "--no-config", "-c", offered[shell]];
    const { stdout } = await run(shell, args, { env: { ...env, LINE: line }, cwd });
    expect(stdout.replace(/\t.*/g, "")).toMatch(expected);
  }
});

test("bash completes on a terminal when Tab is pressed", async () => {
  await leave(agent.url, "exec sleep 1000", { tag: "nightly-build" });
  const bash = onTerminal(["bash", "--norc", "-i"], { env: { ...env, PS1: "> " }, cols: 200 });
  await bash.waitFor(/> /);
  bash.type("source <(holdfast completion bash); echo re''ady\r");
  await bash.waitFor(/ready/);
  const from = bash.shown().length;
  bash.type("holdfast logs nig\t");
  await bash.waitFor(/holdfast logs nightly-build/, from);
  bash.type("\u0003exit\r");
});

test("paths that begin with a colon are files of the agent, others those of this machine", async () => {
  const folder = createTempFolder();
  mkdirSync(join(folder, "directory"));
  for (const name of ["document", ".hidden", "with space"]) writeFileSync(join(folder, name), "");
  const complete = async (...words: string[]) =>
    (await finished(holdfast(agent.url, ["__complete", "--", ...words]))).stdout;
  expect(await complete("cat", `:${folder}/d`)).toBe(`:${folder}/directory/\n:${folder}/document\n`);
  expect(await complete("cp", `:${folder}/.`)).toBe(`:${folder}/.hidden\n`);
  expect(await complete("ls", "-l", "")).toBe(":\n");
  expect(known("cp", "a").ask).toBe("files");
  expect(known("sync", "").ask).toBe("files");
  expect(known("sync", ":").ask).toBe("remote files");
  expect(known("cp", "a", ":").ask).toBe("remote files");
  const line = `holdfast cp x :${folder}/doc`;
  const script = `source <(holdfast completion bash); COMP_LINE='${line}' COMP_POINT=${line.length}; _holdfast; printf '%s\\n' "\${COMPREPLY[@]}"`;
  expect((await run("bash", ["--norc", "-c", script], { env })).stdout).toBe(`${folder}/document\n`);
});

test.each([
  ["holdfast cp :FOLDER/doc", `FOLDER/doc\\;touch\\$\\{IFS\\}x`],
  ["holdfast attach we", "web\\&\\&reboot"],
])(
  "bash completes %j with characters of the shell quoted, and completes the result again",
  async (line, text) => {
    const folder = createTempFolder();
    writeFileSync(join(folder, ["doc;touch$", "{IFS}x"].join("")), "");
    await leave(agent.url, "exec sleep 1000", { tag: "web&&reboot" });
    const script = `source <(holdfast completion bash)
    complete_line() { COMP_LINE=$1 COMP_POINT=\${#1}; _holdfast; printf '%s\n' "\${COMPREPLY[@]}"; }
    complete_line "$1"; complete_line "$2"`;
    const lines = [line, line.replace(/[^ :]*$/, text)].map((typed) => typed.replace("FOLDER", folder));
    const { stdout } = await run("bash", ["--norc", "-c", script, "bash", ...lines], { env });
    const completed = text.replace("FOLDER", folder);
    expect(stdout).toBe(`${completed}\n${completed}\n`);
  },
);

test("a file of the agent that is named files is a candidate, and not the word for the files of this machine", async () => {
  writeFileSync(join(homedir(), "files"), "");
  onTestFinished(() => rmSync(join(homedir(), "files")));
  const line = "holdfast cat :fi";
  const script = `source <(holdfast completion bash); COMP_LINE='${line}' COMP_POINT=${line.length}; _holdfast; printf '%s\n' "\${COMPREPLY[@]}"`;
  expect((await run("bash", ["--norc", "-c", script], { env })).stdout).toBe("files\n");
});
