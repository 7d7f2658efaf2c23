// start_id: any number of Starts with the same one, over any protocol, start one process, and each receives all its output.

import { createClient } from "@connectrpc/connect";
import { expect, onTestFinished, test } from "vitest";
import { Process } from "../../src/gen/process_pb.ts";
import { startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { receive } from "../support/clients/received-events.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";
import { transportKinds } from "../support/clients/transports.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { eventually } from "../support/proc/proc.ts";

test("simultaneous Starts with one start_id, over every protocol, start one process and each receive all its output", async () => {
  const agent = await startAgent();
  const fifo = createFifo();
  const request = {
    process: { cmd: "bash", args: ["-c", `echo $$; ${fifo.wait}; head -c 300000 /dev/zero | tr '\\0' x`] },
    startId: "one",
  };
  const streams = transportKinds.map((kind) => {
    const { transport, close } = kind.open(agent.url);
    onTestFinished(close);
    return receive(createClient(Process, transport).start(request));
  });
  const pids = await Promise.all(streams.map((stream) => stream.started()));
  expect(new Set(pids).size).toBe(1);
  expect((await plainClient(agent.url).list({})).processes).toHaveLength(1);
  fifo.open();
  for (const stream of streams) {
    expect(await stream.ended()).toMatchObject({ exitCode: 0, status: "exit status 0" });
    expect(stream.text("stdout") === `${pids[0]}\n${"x".repeat(300_000)}`).toBe(true);
  }
});

test("a Start repeated after its answer was lost receives the whole output, even after the process has ended", async () => {
  const agent = await startAgent();
  const client = plainClient(agent.url);
  const request = {
    process: { cmd: "bash", args: ["-c", "echo out; echo err >&2; exit 3"] },
    startId: "one",
  };
  await startAndLeave(agent.port, request);
  await eventually(
    "it has ended",
    async () => (await client.list({})).processes.length === 0,
    () => undefined,
  );
  for (let attempt = 0; attempt < 2; attempt++) {
    const again = receive(client.start(request));
    expect(await again.ended()).toMatchObject({ exitCode: 3 });
    expect([again.text("stdout"), again.text("stderr")]).toEqual(["out\n", "err\n"]);
  }
  expect((await client.list({ includeEnded: true })).processes).toHaveLength(1);
});

test("a start_id that was used to start something else is already_exists", async () => {
  const agent = await startAgent();
  const client = plainClient(agent.url);
  await receive(client.start({ process: { cmd: "true" }, startId: "one" })).ended();
  expect(await receive(client.start({ process: { cmd: "false" }, startId: "one" })).failed()).toMatchObject({
    message: '[already_exists] start_id "one" was used to start something else',
  });
});
