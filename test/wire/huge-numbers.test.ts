// Offsets and sizes have 64 bits on the wire and 53 in the agent: larger values are refused, and the error names them.

import { expect, test } from "vitest";
import { plainClient } from "../support/agent/running-processes.ts";
import { survivingAgent } from "../support/agent/surviving-agent.ts";
import { callOverEvery, encodeBody, overEvery } from "../support/clients/rpc-call.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";

const agent = survivingAgent();

const HUGE = ["9007199254740993", "18446744073709551615"];

test.each(HUGE)("from_offset %s is out_of_range", async (fromOffset) => {
  await startAndLeave(agent.port, { process: { cmd: "cat" }, tag: "cat" });
  const answers = await callOverEvery(agent.port, (protocol) => ({
    rpc: "Connect",
    body: encodeBody(protocol, "Connect", [{ process: { tag: "cat" }, fromOffset }]),
  }));
  const message = `from_offset ${fromOffset} is above the largest offset (9007199254740991)`;
  expect(answers).toEqual(overEvery({ code: "out_of_range", message }));
  await plainClient(agent.url).closeStdin({ process: { selector: { case: "tag", value: "cat" } } });
});

test.each(HUGE)("input at offset %s is out_of_range", async (offset) => {
  await startAndLeave(agent.port, { process: { cmd: "cat" }, tag: "cat" });
  const input = { process: { tag: "cat" }, input: { stdin: "aGk=" }, offset };
  const answers = await callOverEvery(agent.port, (protocol) => ({
    rpc: "SendInput",
    body: encodeBody(protocol, "SendInput", [input]),
  }));
  const message = `input offset ${offset} is above the largest offset (9007199254740991)`;
  expect(answers).toEqual(overEvery({ code: "out_of_range", message }));
  await plainClient(agent.url).closeStdin({ process: { selector: { case: "tag", value: "cat" } } });
});

test.each(
  ["replay_bytes", "detached_buffer_bytes"].flatMap((name) => HUGE.map((bytes) => [name, bytes] as const)),
)("output.%s of %s is invalid_argument, and nothing is started", async (name, bytes) => {
  const field = name === "replay_bytes" ? "replayBytes" : "detachedBufferBytes";
  const answers = await callOverEvery(agent.port, (protocol) => ({
    rpc: "Start",
    body: encodeBody(protocol, "Start", [{ process: { cmd: "cat" }, output: { [field]: bytes } }]),
  }));
  const message = `${name} ${bytes} is above the largest size (9007199254740991)`;
  expect(answers).toEqual(overEvery({ code: "invalid_argument", message }));
});
