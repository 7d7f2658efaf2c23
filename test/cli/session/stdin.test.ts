// stdin of `run` and `attach`: it belongs to the shell around them, unless -i, or -t on a terminal, sends it to the process.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { cleanEnvironment, cliPath } from "../../support/agent/agent.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { finished, holdfast, holdfastOnTerminal, leave, untilProcess } from "../holdfast.ts";

const agent = agentForFile();

function shell(script: string, stdin: string) {
  return execFileSync("bash", ["-c", `holdfast() { '${process.execPath}' '${cliPath}' "$@"; }; ${script}`], {
    input: stdin,
    encoding: "utf8",
    env: cleanEnvironment({ HOLDFAST_URL: agent.url }),
    stdio: ["pipe", "pipe", "pipe"],
  });
}

const lines = Array.from({ length: 8 }, (_, at) => `item ${at}\n`).join("");

test("a loop that reads lines and runs a command for each keeps all its lines", () => {
  expect(shell('while read -r x; do holdfast run echo "$x"; done', lines)).toBe(lines);
});

test("a loop that reads a file and runs a command for each keeps all its lines", () => {
  const file = join(createTempFolder(), "items");
  writeFileSync(file, lines);
  expect(shell(`while read -r x; do holdfast run cat; echo "$x"; done < ${file}`, "")).toBe(lines);
});

test("a loop around attach and wait keeps its lines if the processes were started without -i", () => {
  const script =
    'while read -r x; do read -r pid id <<< "$(holdfast run -q -d sh -c "sleep 0.05; echo $x")"; holdfast attach --from 0 $pid; holdfast wait $pid; done';
  const expected = lines.replaceAll(/\n/g, "\n0\n");
  expect(shell(script, lines)).toBe(expected);
});

test("without -i the command reads /dev/null, also through exec and with a waiting writer", async () => {
  const command = holdfast(agent.url, ["exec", "cat"], { stdin: "pipe" });
  command.child.stdin?.write("not for it");
  expect(await finished(command)).toEqual({ code: 0, stdout: "", stderr: "" });
});

test("-i sends stdin and its end, combined with other short flags", async () => {
  const command = holdfast(agent.url, ["run", "-iw", "/usr", "sh", "-c", "pwd; cat"], { stdin: "pipe" });
  command.child.stdin?.end("for it\n");
  expect(await finished(command)).toEqual({ code: 0, stdout: "/usr\nfor it\n", stderr: "" });
});

test.each(["-it", "-ti", "-t", "--tty"])("%s on a terminal sends the keys", async (flags) => {
  const terminal = holdfastOnTerminal(agent.url, ["run", flags, "bash", "-c", 'read -r x; echo "got $x"']);
  await terminal.waitFor(/detaches/);
  terminal.type("keys\r");
  await terminal.waitFor(/got keys/);
  expect(await terminal.exited()).toBe(0);
});

test("-t without a terminal here reads nothing unless -i is given", async () => {
  const command = holdfast(
    agent.url,
    ["run", "-t", "--tag", "silent", "bash", "-c", "read -t 0.2 x; echo $?"],
    {
      stdin: "pipe",
    },
  );
  command.child.stdin?.write("not for it\n");
  expect((await finished(command)).stdout).toMatch(/^142\r\n$/);
});

test("-d -i leaves a command with an open stdin, which attach feeds", async () => {
  await finished(holdfast(agent.url, ["run", "-diq", "--name", "open", "cat"]));
  const command = holdfast(agent.url, ["attach", "open"], { stdin: "pipe" });
  command.child.stdin?.end("later\n");
  expect(await finished(command)).toEqual({ code: 0, stdout: "later\n", stderr: "" });
});

test.each([
  ["is a directory", "< /", "it is a directory"],
  ["is open for writing only", "0> out", "it is open for writing only"],
])("with -i, a stdin that %s is an error before anything starts", async (_, redirection, reason) => {
  const command = holdfast(agent.url, ["run", "-i", "--tag", "unfed", "cat"], {
    prefix: ["bash", "-c", `exec "$@" ${redirection}`, "bash"],
    cwd: createTempFolder(),
  });
  expect(await finished(command)).toEqual({
    code: 125,
    stdout: "",
    stderr: `holdfast: stdin cannot be read: ${reason}. Redirect it (< FILE), or leave out -i\n`,
  });
  const listed = await finished(holdfast(agent.url, ["ps", "--all"]));
  expect(listed.stdout).not.toContain("unfed");
});

test("without -i, a stdin that cannot be read does not matter", async () => {
  const command = holdfast(agent.url, ["run", "echo", "fine"], {
    prefix: ["bash", "-c", 'exec "$@" < /', "bash"],
  });
  expect(await finished(command)).toEqual({ code: 0, stdout: "fine\n", stderr: "" });
});

test("attach -i to a process without stdin is an error that says why", async () => {
  await leave(agent.url, "exec sleep 1000", { tag: "no stdin", stdin: false });
  const { pid } = await untilProcess(agent.url, "no stdin", { subscribers: 0 });
  expect(await finished(holdfast(agent.url, ["attach", "-i", "no stdin"]))).toEqual({
    code: 125,
    stdout: "",
    stderr: `holdfast: process ${pid} has no stdin: it was started without -i. Leave out -i\n`,
  });
});
