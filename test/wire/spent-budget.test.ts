// What still works while output fills the whole memory budget: small input, signals, resizes, the end of stdin, and the
// results of ended processes.

import { expect, test } from "vitest";
import { OutputPolicy_Detached } from "../../src/gen/process_pb.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { receive } from "../support/clients/received-events.ts";
import { callOverEvery, encodeBody, overEvery } from "../support/clients/rpc-call.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";
import { eventually } from "../support/proc/proc.ts";

const BUDGET = ["--memory-budget", "1MiB"];

/** Fills the budget with output that no client has received, of a process that then waits in its write. */
async function spend({ url, port }: RunningAgent): Promise<void> {
  // No replay: the budget would drop it for the input.
  const output = {
    detached: "DETACHED_BUFFER",
    detachedBufferBytes: String(1024 * 1024),
    replayBytes: "0",
  };
  const started = await startAndLeave(port, {
    process: { cmd: "yes" },
    tag: "yes",
    stdin: false,
    output,
  });
  expect(started).toMatchObject({ code: "ok" });
  // Until the agent notices that the client has left, output is delivered and dropped.
  await eventually(
    "the client has left",
    async () =>
      (await plainClient(url).list({ includeEnded: true })).processes.some(
        (process) => process.tag === "yes" && process.subscribers === 0,
      ),
    () => undefined,
  );
  await eventually(
    "the budget is spent",
    async () =>
      /^holdfast_memory_budget_spent 1$/m.test(await (await fetch(`${url}/metrics/prometheus`)).text()),
    () => undefined,
  );
}

function askOverEvery(agent: RunningAgent, rpc: string, message: object) {
  const messages = [JSON.parse(JSON.stringify(message))];
  return callOverEvery(agent.port, (protocol) => ({ rpc, body: encodeBody(protocol, rpc, messages) }));
}

const allOk = overEvery({ code: "ok", message: "" });

test("while output fills the budget, Ctrl-C reaches the program on a terminal", async () => {
  const agent = await startAgent({ args: BUDGET });
  const client = plainClient(agent.url);
  const script = "trap 'echo interrupted' INT; echo ready; while :; do sleep 0.01; done";
  const tag = "shell";
  const shell = receive(
    client.start({
      process: { cmd: "sh", args: ["-c", script] },
      pty: { size: { cols: 80, rows: 24 } },
      tag,
    }),
  );
  await shell.until((received) => received.text("pty").includes("ready"));
  await spend(agent);

  for (let pressed = 1; pressed <= 3; pressed++) {
    await client.sendInput({
      process: { selector: { case: "tag", value: tag } },
      input: { input: { case: "pty", value: Buffer.from("\x03") } },
    });
    await shell.until((received) => received.text("pty").split("interrupted").length > pressed);
  }
  expect(await askOverEvery(agent, "SendInput", { process: { tag }, input: { pty: btoa("\n") } })).toEqual(
    allOk,
  );
  expect(
    await askOverEvery(agent, "Update", { process: { tag }, pty: { size: { cols: 99, rows: 33 } } }),
  ).toEqual(allOk);
  expect(await askOverEvery(agent, "SendSignal", { process: { tag }, signal: "SIGNAL_SIGCONT" })).toEqual(
    allOk,
  );
  await client.sendSignal({ process: { selector: { case: "tag", value: tag } }, signal: 9 });
  expect(await shell.ended()).toMatchObject({ exited: false, status: "signal: killed" });
});

test("while output fills the budget, lines and the end of stdin reach a program, and large input is refused", async () => {
  const agent = await startAgent({ args: BUDGET });
  const tag = "cat";
  const client = plainClient(agent.url);
  const cat = receive(client.start({ process: { cmd: "cat" }, tag }));
  await cat.started();
  await spend(agent);

  const write = (text: string) =>
    askOverEvery(agent, "SendInput", { process: { tag }, input: { stdin: btoa(text) } });
  expect(await write("x".repeat(8 * 1024))).toEqual(
    overEvery({
      code: "resource_exhausted",
      message: expect.stringMatching(/8192 more exceed the memory budget \(--memory-budget\)$/),
    }),
  );
  expect(await write("a line\n")).toEqual(allOk);
  // Once: it ends the process, and a second call would find none.
  await client.closeStdin({ process: { selector: { case: "tag", value: tag } } });
  expect(await cat.ended()).toMatchObject({ exited: true, exitCode: 0 });
  expect(cat.text("stdout")).toBe("a line\n".repeat(4));
});

test("ended processes with more output than the budget keep their end events, and each gap is reported once", async () => {
  const agent = await startAgent({ args: BUDGET });
  const client = plainClient(agent.url);
  const codes = Array.from({ length: 12 }, (_, index) => index + 1);
  const bytes = 300_000;
  for (const code of codes) {
    const tag = `job ${code}`;
    // The buffer is larger than the output, so that the process ends without a client.
    const output = { detached: OutputPolicy_Detached.BUFFER, detachedBufferBytes: BigInt(2 * bytes) };
    const script = `read line; head -c ${bytes} /dev/zero; exit ${code}`;
    const leaving = new AbortController();
    const started = receive(
      client.start({ process: { cmd: "sh", args: ["-c", script] }, tag, output }, { signal: leaving.signal }),
    );
    await started.started();
    leaving.abort();
    await started.failed();
    const selector = { selector: { case: "tag", value: tag } } as const;
    await client.sendInput({
      process: selector,
      input: { input: { case: "stdin", value: Buffer.from("\n") } },
    });
    await eventually(
      `${tag} has ended`,
      async () => (await client.list({})).processes.every((process) => process.tag !== tag),
      () => undefined,
    );
  }

  let gaps = 0;
  for (const code of codes) {
    const stream = client.connect({
      process: { selector: { case: "tag", value: `job ${code}` } },
      offsets: true,
      fromOffset: 0n,
    });
    const kinds: string[] = [];
    let at = 0n;
    for await (const { event } of stream) {
      const { event: part } = event ?? {};
      if (part?.case === "data") at += BigInt(part.value.output.value?.length ?? 0);
      if (part?.case === "gap") {
        expect(part.value.from).toBe(at);
        at = part.value.to;
        gaps++;
      }
      if (part?.case === "end") {
        expect(part.value).toMatchObject({ exited: true, exitCode: code, offset: BigInt(bytes) });
        expect(at).toBe(BigInt(bytes));
      }
      if (part?.case !== undefined && kinds.at(-1) !== part.case) kinds.push(part.case);
    }
    expect(kinds.join(" ")).toMatch(/^start( gap)?( data)? end$/);
  }
  // At most 1 MiB of 3.6 MB is held.
  expect(gaps).toBeGreaterThanOrEqual(8);
});
