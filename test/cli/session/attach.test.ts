// `holdfast attach`, `logs` and `signal`: find a process, print its output, signal it.
import { describe, expect, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { plainClient } from "../../support/agent/running-processes.ts";
import { finished, holdfast, leave, processes, untilProcess } from "../holdfast.ts";

const agent = agentForFile();

function attach(...args: string[]) {
  return holdfast(agent.url, ["attach", ...args]);
}

test("a process is found by pid, tag and process_id, and a tag selects the newest process", async () => {
  await leave(agent.url, "read x; echo first", { tag: "found" });
  await leave(agent.url, "echo second; exec sleep 1000", { tag: "found", bytes: 7 });
  const [first, second] = (await processes(agent.url)).filter(({ tag }) => tag === "found");
  for (const selector of ["found", String(second?.pid), second?.processId ?? ""]) {
    const { stdout } = await finished(holdfast(agent.url, ["logs", selector]));
    expect(stdout).toBe("second\n");
  }
  expect((await finished(attach("--from", "0", first?.processId ?? ""))).stdout).toBe("first\n");
  expect(await finished(attach("nobody"))).toEqual({
    code: 125,
    stdout: "",
    stderr: 'holdfast: no process has the pid, tag or process_id "nobody" (holdfast ps --all lists them)\n',
  });
});

describe("attach", () => {
  test("sends stdin up to its end, and returns the exit code", async () => {
    await leave(agent.url, "cat; exit 9", { tag: "fed" });
    const command = holdfast(agent.url, ["attach", "fed"], { stdin: "pipe" });
    command.child.stdin?.end("some input");
    expect(await finished(command)).toEqual({ code: 9, stdout: "some input", stderr: "" });
  });

  test("sends no input with --no-stdin", async () => {
    await leave(agent.url, "echo ready; cat; exit 9", { tag: "untouched", bytes: 6 });
    const watching = attach("--no-stdin", "--from", "0", "untouched");
    await watching.waitFor("stdout", /ready/);
    const feeding = holdfast(agent.url, ["attach", "untouched"], { stdin: "pipe" });
    feeding.child.stdin?.end("from the other\n");
    expect((await finished(feeding)).code).toBe(9);
    expect(await finished(watching)).toEqual({ code: 9, stdout: "ready\nfrom the other\n", stderr: "" });
  });

  test("prints the output and returns the exit code of an ended process", async () => {
    await leave(agent.url, "echo out; echo err >&2; kill -TERM $$", { tag: "over", bytes: 8 });
    await untilProcess(agent.url, "over", { exit: expect.anything() });
    expect(await finished(attach("over"))).toEqual({ code: 143, stdout: "out\n", stderr: "err\n" });
  });

  test("reports the bytes that are no longer held", async () => {
    await leave(agent.url, "seq 1000; read x", { tag: "gap", bytes: 3893 });
    const command = attach("--from", "3000", "gap");
    expect((await finished(command)).stdout).toMatch(/^(\d+\n)*1000\n$/);
    expect(await finished(attach("--from", "99999", "gap"))).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(/^holdfast: from_offset 99999 is beyond .* 3893\n$/),
    });
  });

  test("ends without the process when the reader of stdout is gone", async () => {
    await leave(agent.url, "while :; do echo again; sleep 0.01; done", {
      tag: "kept",
      bytes: expect.anything(),
    });
    const command = attach("--no-stdin", "kept");
    await command.waitFor("stdout", /again/);
    command.child.stdout?.destroy();
    expect(await command.exited()).toEqual({ code: 141, signal: null });
    expect((await untilProcess(agent.url, "kept", { subscribers: 0 })).exit).toBeUndefined();
  });
});

describe("logs", () => {
  test("prints the held output to stdout and stderr, and ends", async () => {
    await leave(agent.url, "echo out; echo err >&2; exec sleep 1000", { tag: "logged", bytes: 8 });
    expect(await finished(holdfast(agent.url, ["logs", "logged"]))).toEqual({
      code: 0,
      stdout: "out\n",
      stderr: "err\n",
    });
    expect((await finished(holdfast(agent.url, ["logs", "--from", "4", "logged"]))).stdout).toBe("");
  });

  test("-f prints new output until the process ends, with any exit code", async () => {
    await leave(agent.url, "echo early; read x; echo late; exit 3", { tag: "followed", bytes: 6 });
    const command = holdfast(agent.url, ["logs", "-f", "followed"]);
    await command.waitFor("stdout", /early/);
    const feeding = holdfast(agent.url, ["attach", "followed"]);
    expect((await finished(feeding)).code).toBe(3);
    expect(await finished(command)).toEqual({ code: 0, stdout: "early\nlate\n", stderr: "" });
  });

  test("-f with another client attached never slows the process, and reports what it missed", async () => {
    await leave(agent.url, "read x; seq 2500000; exit 0", { tag: "fast" });
    const attached = holdfast(agent.url, ["attach", "fast"], { stdin: "pipe" });
    await untilProcess(agent.url, "fast", { subscribers: 1 });
    const command = holdfast(agent.url, ["logs", "-f", "fast"]);
    await untilProcess(agent.url, "fast", { subscribers: 2 });
    command.child.stdout?.pause();
    attached.child.stdin?.end();
    expect((await finished(attached)).stdout.length).toBe(18_888_896);
    command.child.stdout?.resume();
    const { code, stdout, stderr } = await finished(command);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\n2500000\n$/);
    expect(stderr).toMatch(/^holdfast: \d+ bytes of output are lost: the agent no longer holds them\n/);
  });

  test.each(["block", "buffer"] as const)(
    "changes nothing for a process in mode %s, and nothing for the client that attaches next",
    async (detached) => {
      await leave(agent.url, "read x; seq 800000", { tag: detached, output: { detached } });
      await plainClient(agent.url).sendInput({
        process: { selector: { case: "tag", value: detached } },
        input: { input: { case: "stdin", value: Buffer.from("\n") } },
      });
      const written = detached === "buffer" ? expect.any(Number) : 0;
      await untilProcess(agent.url, detached, { reading: false, offset: written });
      const before = await untilProcess(agent.url, detached, { reading: false });

      const following = holdfast(agent.url, ["logs", "-f", detached]);
      await untilProcess(agent.url, detached, { subscribers: 1 });
      const first = await finished(holdfast(agent.url, ["logs", detached]));
      const second = await finished(holdfast(agent.url, ["logs", detached]));
      expect(first).toEqual({ code: 0, stdout: seq(800_000).slice(0, before.offset), stderr: "" });
      expect(second).toEqual(first);
      expect(await untilProcess(agent.url, detached, { subscribers: 1 })).toMatchObject({
        reading: false,
        offset: before.offset,
        heldBytes: before.heldBytes,
      });

      const attached = await finished(holdfast(agent.url, ["attach", detached]));
      expect({ ...attached, stdout: attached.stdout === seq(800_000) }).toEqual({
        code: 0,
        stdout: true,
        stderr: "",
      });
      expect((await finished(following)).stdout).toMatch(/\n800000\n$/);
    },
  );

  test("--json prints events", async () => {
    await leave(agent.url, "echo out; exit 3", { tag: "events", bytes: 4 });
    await untilProcess(agent.url, "events", { exit: expect.anything() });
    const { stdout } = await finished(holdfast(agent.url, ["logs", "--json", "events"]));
    expect(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      expect.objectContaining({ event: "start", offset: 0 }),
      { event: "data", stream: "stdout", offset: 0, text: "out\n" },
      expect.objectContaining({ event: "end", exit_code: 3 }),
    ]);
  });
});

describe("signal", () => {
  test.each([
    ["TERM", "SIGTERM"],
    ["sigkill", "SIGKILL"],
    ["2", "SIGINT"],
  ])("%s is sent", async (name, signal) => {
    await leave(agent.url, "exec sleep 1000", { tag: `gets ${name}` });
    const sent = holdfast(agent.url, ["signal", `gets ${name}`, name]);
    expect(await finished(sent)).toEqual({ code: 0, stdout: "", stderr: "" });
    await untilProcess(agent.url, `gets ${name}`, { exit: expect.objectContaining({ signal }) });
  });

  test("--group also signals the children of the process", async () => {
    // If only the shell gets the signal, it waits for its child.
    await leave(agent.url, "echo ready; sleep 1000; exit 1", { tag: "group", bytes: 6 });
    await finished(holdfast(agent.url, ["signal", "--group", "group", "INT"]));
    await untilProcess(agent.url, "group", { exit: expect.objectContaining({ signal: "SIGINT" }) });
  });

  test("prints one line and exits with 1 when the process has ended", async () => {
    await leave(agent.url, "exit 0", { tag: "dead" });
    const { pid } = await untilProcess(agent.url, "dead", { exit: expect.anything() });
    expect(await finished(holdfast(agent.url, ["signal", "dead", "TERM"]))).toEqual({
      code: 1,
      stdout: "",
      stderr: `holdfast: process ${pid} has ended: exit status 0\n`,
    });
  });
});

function seq(last: number): string {
  return Array.from({ length: last }, (_, at) => `${at + 1}\n`).join("");
}
