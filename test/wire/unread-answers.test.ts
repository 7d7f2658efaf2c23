// A client that does not read the answer to its SendInput holds none of the input in the agent: the process has it (rule 14).

import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { expect, onTestFinished, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { startStream } from "../support/clients/stream-client.ts";
import { rssBytes } from "../support/proc/proc.ts";

const MIB = 1024 * 1024;
const COUNT = 30;

test("the input of requests whose answers are not read is not held when the process has it", async () => {
  const agent = await startAgent();
  const sink = startStream(agent.port, {
    process: { cmd: "sh", args: ["-c", "cat >/dev/null"] },
    tag: "sink",
    stdin: true,
  });
  await sink.started();
  // The agent may send headers, but no byte of a body.
  const session = connectHttp2(agent.url, { settings: { initialWindowSize: 0 } });
  onTestFinished(() => session.destroy());
  const body = JSON.stringify({
    process: { tag: "sink" },
    input: { stdin: Buffer.alloc(4 * MIB).toString("base64") },
  });
  const send = async () => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/process.Process/SendInput",
      "content-type": "application/json",
    });
    stream.end(body);
    const [headers] = await once(stream, "response");
    expect(headers[":status"]).toBe(200);
  };
  await send();
  const before = rssBytes(agent.pid);
  for (let i = 0; i < COUNT; i++) await send();
  expect(rssBytes(agent.pid) - before).toBeLessThan((COUNT / 2) * 4 * MIB);
});
