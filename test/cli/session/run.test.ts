// `holdfast run` on pipes behaves like the program that it runs.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { userInfo } from "node:os";
import { describe, expect, onTestFinished, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { finished, holdfast, leave, processes, untilProcess } from "../holdfast.ts";

const agent = agentForFile();

function run(...args: string[]) {
  return holdfast(agent.url, ["run", ...args]);
}

function bash(script: string) {
  return run("bash", "-c", script);
}

test("stdout goes to stdout, stderr to stderr, and the exit code is that of the program", async () => {
  expect(await finished(bash("echo out; echo err >&2; exit 3"))).toEqual({
    code: 3,
    stdout: "out\n",
    stderr: "err\n",
  });
});

test.each([
  ["KILL", 137],
  ["TERM", 143],
  ["SEGV", 139],
  ["34", 162],
])("a program killed by signal %s gives exit code %i", async (signal, code) => {
  expect(await finished(bash(`ulimit -c 0; kill -${signal} $$`))).toEqual({ code, stdout: "", stderr: "" });
});

test("with -i, stdin and its end reach the program", async () => {
  const command = holdfast(agent.url, ["run", "-i", "sha256sum"], { stdin: "pipe" });
  const data = Buffer.alloc(3_000_000, "not a multiple of anything; ");
  command.child.stdin?.end(data);
  expect(await finished(command)).toEqual({ code: 0, stdout: `${sha256(data)}  -\n`, stderr: "" });
});

test("a program that ends does not wait for the end of stdin", async () => {
  const command = holdfast(agent.url, ["run", "-i", "head", "-c", "5"], { stdin: "pipe" });
  command.child.stdin?.write("hello and more");
  expect(await finished(command)).toEqual({ code: 0, stdout: "hello", stderr: "" });
});

test("a writer to a program that has closed its stdin gets EPIPE, as from the program itself", async () => {
  const command = holdfast(agent.url, ["run", "-i", "bash", "-c", "exec <&-; echo closed; exec sleep 1000"], {
    stdin: "pipe",
  });
  await command.waitFor("stdout", /closed/);
  const stdin = command.child.stdin;
  if (stdin === null) throw new Error("no stdin");
  const broken = once(stdin, "error");
  // More than all buffers on the way hold.
  stdin.write(Buffer.alloc(4 * 1024 * 1024));
  expect(await broken).toMatchObject([{ code: "EPIPE" }]);
  expect(command.stderr()).toBe("");
});

test("--no-stdin gives the program /dev/null", async () => {
  const command = holdfast(agent.url, ["run", "--no-stdin", "cat"], { stdin: "pipe" });
  expect(await finished(command)).toEqual({ code: 0, stdout: "", stderr: "" });
});

test("--env, --cwd, --user and --tag are applied; a variable without a value here stays unset", async () => {
  const user = userInfo().uid === 0 ? "nobody" : userInfo().username;
  const flags = ["--env", "A=1 = é", "-e", "B", "-e", "C", "--cwd", "/usr", "--user", user, "--tag", "flags"];
  // biome-ignore lint/suspicious/noTemplateCurlyInString: for bash.
  const script = 'echo "$A|$B|${C-unset}|$PWD|$(id -un)"';
  const command = holdfast(agent.url, ["run", ...flags, "--", "bash", "-c", script], {
    env: { B: "passed on" },
  });
  expect(await finished(command)).toEqual({
    code: 0,
    stdout: `1 = é|passed on|unset|/usr|${user}\n`,
    stderr: "",
  });
  expect((await processes(agent.url)).map(({ tag }) => tag)).toContain("flags");
});

test("10 MB arrive complete and in order on stdout and on stderr", async () => {
  const command = bash(
    "head -c 6000000 /dev/urandom | base64 -w0 | tee >(sha256sum | cut -c1-64 >&2); " +
      "head -c 2000000 /dev/zero | tr '\\0' z >&2",
  );
  const { code, stdout, stderr } = await finished(command);
  expect(code).toBe(0);
  expect(stderr.replaceAll("z", "").trim()).toBe(sha256(Buffer.from(stdout)));
  expect(stderr.replace(/[^z]/g, "").length).toBe(2_000_000);
});

test("the program waits while nobody reads stdout, and continues afterwards", async () => {
  const command = run("--tag", "slow", "bash", "-c", "seq 2500000; echo end");
  command.child.stdout?.pause();
  const { offset } = await untilProcess(agent.url, "slow", { reading: false, subscribers: 1 });
  expect(offset).toBeLessThan(15_000_000);
  command.child.stdout?.resume();
  const { code, stdout } = await finished(command);
  expect({ code, end: stdout.slice(-12), lines: stdout.split("\n").length }).toEqual({
    code: 0,
    end: "2500000\nend\n",
    lines: 2_500_002,
  });
});

test("when the reader of stdout is gone, the command and the program end without a message", async () => {
  const command = run("--tag", "unwanted", "yes");
  await command.waitFor("stdout", /y\n/);
  command.child.stdout?.destroy();
  expect(await command.exited()).toEqual({ code: 141, signal: null });
  expect(command.stderr()).toBe("");
  await untilProcess(agent.url, "unwanted", { exit: expect.objectContaining({ signal: "SIGTERM" }) });
});

test("a full disk is one line and exit code 125, and ends the program", async () => {
  const toFullDisk = ["sh", "-c", 'exec "$@" >/dev/full', "sh"];
  const command = holdfast(agent.url, ["run", "--tag", "full", "yes"], { prefix: toFullDisk });
  const { code, stderr } = await finished(command);
  expect(code).toBe(125);
  expect(stderr).toMatch(/^holdfast: output is lost: ENOSPC: no space left on device.*\n$/);
  await untilProcess(agent.url, "full", { exit: expect.objectContaining({ signal: "SIGTERM" }) });
});

describe("signals", () => {
  test("SIGINT goes to the whole process group, as Ctrl-C does", async () => {
    // If only the shell gets the signal, it waits for its child.
    const command = bash("echo ready; sleep 1000; echo not reached");
    await command.waitFor("stdout", /ready/);
    command.kill("SIGINT");
    expect(await finished(command)).toEqual({ code: 130, stdout: "ready\n", stderr: "" });
  });

  test.each(["SIGTERM", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const)(
    "%s goes to the program",
    async (signal) => {
      const command = bash(`trap "echo got it; exit 7" ${signal}; echo ready; while :; do sleep 0.1; done`);
      await command.waitFor("stdout", /ready/);
      command.kill(signal);
      expect(await finished(command)).toMatchObject({ code: 7, stdout: "ready\ngot it\n" });
    },
  );

  test("a second signal to an agent that does not answer ends this command", async () => {
    const silent = createServer();
    onTestFinished(() => void silent.close());
    const connected = once(silent, "connection");
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    const command = holdfast(`http://127.0.0.1:${port}`, ["run", "true"]);
    await connected;
    command.kill("SIGINT");
    await command.waitFor(
      "stderr",
      /not answered yet; SIGINT is forwarded once it does; another signal ends/,
    );
    command.kill("SIGTERM");
    const { code, stderr } = await finished(command);
    expect(code).toBe(143);
    expect(stderr).toMatch(/^holdfast: .*\nholdfast: left before the agent answered\n$/);
  });

  test("SIGHUP ends this command and leaves the program running", async () => {
    const command = run("--tag", "left", "bash", "-c", "echo ready; exec sleep 1000");
    await command.waitFor("stdout", /ready/);
    command.kill("SIGHUP");
    const { code, stderr } = await finished(command);
    const { pid, exit } = await untilProcess(agent.url, "left", { subscribers: 0 });
    expect({ code, exit }).toEqual({ code: 129, exit: undefined });
    expect(stderr).toBe(`holdfast: detached; process ${pid} continues: holdfast attach ${pid} --from 6\n`);
  });

  test("a signal after the program has ended does not wait forever for a reader that stopped", async () => {
    const command = run("--tag", "over", "bash", "-c", "seq 100000");
    command.child.stdout?.pause();
    await untilProcess(agent.url, "over", { exit: expect.anything() });
    command.kill("SIGTERM");
    const [, pid] = await command.waitFor(
      "stderr",
      /^holdfast: left; process (\d+) has ended and has more output: holdfast attach \1 --from \d+\n$/,
    );
    command.child.stdout?.resume();
    expect((await command.exited()).code).toBe(143);
    expect((await finished(holdfast(agent.url, ["logs", `${pid}`]))).stdout).toMatch(/^1\n.*\n100000\n$/s);
  });

  test("the command printed at SIGHUP names the agent if HOLDFAST_URL does not", async () => {
    const script = "echo ready; exec sleep 1000";
    const command = holdfast("http://127.0.0.1:1", ["run", "--url", agent.url, "bash", "-c", script]);
    await command.waitFor("stdout", /ready/);
    command.kill("SIGHUP");
    expect((await finished(command)).stderr).toMatch(
      new RegExp(`: holdfast attach --url ${agent.url} \\d+ --from 6\n$`),
    );
  });

  test("when it is left while nobody reads stdout, no byte before the printed offset is lost", async () => {
    // More than pipes hold, and at most what the agent holds.
    const whole = Array.from({ length: 100_000 }, (_, at) => `${at + 1}\n`).join("");
    const command = holdfast(agent.url, ["run", "-i", "--tag", "stuck", "bash", "-c", "seq 100000; read x"], {
      stdin: "pipe",
    });
    command.child.stdout?.pause();
    await untilProcess(agent.url, "stuck", { offset: whole.length, subscribers: 1 });
    command.kill("SIGHUP");
    const [, from] = await command.waitFor("stderr", /--from (\d+)\n/);
    command.child.stdout?.resume();
    const { code, stdout } = await finished(command);
    expect(code).toBe(129);
    const { stdout: rest } = await finished(holdfast(agent.url, ["attach", "stuck", "--from", `${from}`]));
    expect(stdout.length).toBeGreaterThanOrEqual(Number(from));
    expect(stdout.slice(0, Number(from)) + rest === whole).toBe(true);
  });
});

test("--detach prints pid and process_id and ends; attach --from 0 prints all output", async () => {
  const left = await finished(
    run("--detach", "-i", "--tag", "detached", "bash", "-c", "echo early; read x; exit 5"),
  );
  const [{ pid, processId } = { pid: 0, processId: "" }] = (await processes(agent.url)).filter(
    ({ tag }) => tag === "detached",
  );
  expect(left).toEqual({
    code: 0,
    stdout: `${pid} ${processId}\n`,
    stderr: expect.stringMatching(/^holdfast: detached mode ring: the process never waits, .*\n$/),
  });
  await untilProcess(agent.url, "detached", { subscribers: 0 });
  expect(await finished(holdfast(agent.url, ["attach", "--from", "0", processId]))).toEqual({
    code: 5,
    stdout: "early\n",
    stderr: "",
  });
});

test("--while-detached ring lets a detached program write to its end", async () => {
  await finished(run("-d", "--while-detached", "ring", "--tag", "ring", "seq", "300000"));
  const { offset } = await untilProcess(agent.url, "ring", {
    exit: expect.objectContaining({ exitCode: 0 }),
  });
  expect(offset).toBe(1_988_895);
});

test("--json prints an object for each event, text as text and other bytes as base64", async () => {
  const { code, stdout } = await finished(
    run("--json", "bash", "-c", "echo é; read x; printf '\\xff' >&2; exit 3"),
  );
  const events = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(code).toBe(3);
  expect(events).toEqual([
    { event: "start", pid: expect.any(Number), process_id: expect.any(String), pty: false, offset: 0 },
    { event: "data", stream: "stdout", offset: 0, text: "é\n" },
    { event: "data", stream: "stderr", offset: 3, base64: "/w==" },
    { event: "end", exit_code: 3, exited: true, status: "exit status 3", signal: null, offset: 4 },
  ]);
});

test("--pty without a terminal here sends input, and its end as Ctrl-D", async () => {
  const command = holdfast(agent.url, ["run", "-i", "--pty", "bash", "-c", "stty -echo; stty size; cat"], {
    stdin: "pipe",
  });
  await command.waitFor("stdout", /24 80/);
  command.child.stdin?.end("within a line");
  expect(await finished(command)).toEqual({ code: 0, stdout: "24 80\r\nwithin a line", stderr: "" });
});

describe("a command that cannot be run gives one line and its own exit code", () => {
  test.each([
    [["nosuch-command"], 127, /^holdfast: command "nosuch-command" not found in PATH ".*"\n$/],
    [["/no/such"], 127, /^holdfast: command "\/no\/such" does not exist\n$/],
    [["/etc/passwd"], 126, /^holdfast: command "\/etc\/passwd" is not executable\n$/],
    [["/etc"], 126, /^holdfast: command "\/etc" is a directory, not an executable\n$/],
    [["--cwd", "/no/such", "true"], 125, /^holdfast: .*\/no\/such.*\n$/],
    [["--user", "no such user", "true"], 125, /^holdfast: .*no such user.*\n$/],
    [["--bogus", "true"], 125, /^holdfast: unknown option '--bogus' \(holdfast run --help\)\n$/],
    [[], 125, /^holdfast: missing required argument 'command' \(holdfast run --help\)\n$/],
  ])("run %j", async (args, code, line) => {
    const result = await finished(run(...args));
    expect(result).toEqual({ code, stdout: "", stderr: expect.stringMatching(line) });
  });

  test("the name of a process before the command, as docker exec has it", async () => {
    const { pid } = await leave(agent.url, "exec sleep 1000", { tag: "web" });
    const hint = (command: string) =>
      new RegExp(`; it is the name of process ${pid}, and a command runs beside it: holdfast ${command}\n$`);
    const withCommand = await finished(holdfast(agent.url, ["exec", "web", "ls", "-l"]));
    expect([withCommand.code, withCommand.stderr]).toEqual([
      127,
      expect.stringMatching(hint("run -- ls -l")),
    ]);
    expect((await finished(holdfast(agent.url, ["run", "-d", "web"]))).stderr).toMatch(hint("attach web"));
  });

  test("nothing listens at the address", async () => {
    const { code, stderr } = await finished(holdfast("http://127.0.0.1:1", ["run", "true"]));
    expect(code).toBe(125);
    expect(stderr).toBe(
      "holdfast: no agent at http://127.0.0.1:1: nothing listens there (--url or HOLDFAST_URL says where it is)\n",
    );
  });
});

describe("another program at the address gives one line at once", () => {
  test.each([
    ["an HTTP server without this path", "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "HTTP 404"],
    [
      "a page",
      "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nhi",
      "unsupported content type text/html",
    ],
    [
      "a program that does not speak HTTP",
      "SSH-2.0-OpenSSH_9.2\r\n",
      "the program that listens there does not speak HTTP",
    ],
  ])("%s", async (_, answer, reason) => {
    const url = await answering(answer);
    const expected = new RegExp(
      `^holdfast: no agent at ${url}: .*${reason}.* \\(--url or HOLDFAST_URL .*\n$`,
    );
    expect(await finished(holdfast(url, ["run", "true"]))).toEqual({
      code: 125,
      stdout: "",
      stderr: expect.stringMatching(expected),
    });
  });

  test("a server without TLS at an https URL", async () => {
    const url = (await answering("HTTP/1.1 400 Bad Request\r\n\r\n")).replace("http:", "https:");
    const { code, stderr } = await finished(holdfast(url, ["run", "true"]));
    expect(code).toBe(125);
    expect(stderr).toMatch(/^holdfast: no agent at https:.*does not speak TLS.*\n$/);
  });
});

/** A server that answers every client with the same bytes. Returns its URL. */
async function answering(answer: string): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined).once("data", () => socket.end(answer));
  });
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function sha256(data: Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}
