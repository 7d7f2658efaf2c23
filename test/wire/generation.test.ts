// A new generation: this machine was restored from a snapshot or cloned (rule 18).

import { expect, test } from "vitest";
import type { ProcessEvent } from "../../src/gen/process_pb.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { openConnection } from "../support/clients/raw-http.ts";
import { connectStream, startStream } from "../support/clients/stream-client.ts";
import { eventually } from "../support/proc/proc.ts";

const cat = { process: { cmd: "cat", args: [] }, stdin: true };
/** Writes each line of its input once. */
const byTag = (tag: string) => ({ selector: { case: "tag", value: tag } }) as const;

async function init({ url }: RunningAgent, body: object): Promise<number> {
  return (await fetch(`${url}/init`, { method: "POST", body: JSON.stringify(body) })).status;
}

/** The first event of a client of `generation` at `fromOffset`. */
async function firstEvents(agent: RunningAgent, tag: string, fromOffset: number, generation?: string) {
  const client = plainClient(agent.url);
  const events: (ProcessEvent["event"] | undefined)[] = [];
  const abort = new AbortController();
  const stream = client.connect(
    {
      process: byTag(tag),
      fromOffset: BigInt(fromOffset),
      ...(generation === undefined ? {} : { generation }),
    },
    { signal: abort.signal },
  );
  for await (const { event } of stream) {
    if (event?.event.case === "keepalive") continue;
    events.push(event?.event);
    if (event?.event.case === "start" && generation === undefined) break;
    if (events.length === 2) break;
  }
  abort.abort();
  return events;
}

async function generationOf(agent: RunningAgent, tag: string): Promise<string> {
  const [start] = await firstEvents(agent, tag, 0);
  return start?.case === "start" ? (start.value.generation ?? "") : "";
}

async function write(agent: RunningAgent, tag: string, text: string): Promise<void> {
  await plainClient(agent.url).sendInput({
    process: byTag(tag),
    input: { input: { case: "stdin", value: Buffer.from(text) } },
  });
}

test("a new lifecycleID closes every older connection but the one that asks, within 100 ms", async () => {
  const agent = await startAgent();
  await init(agent, { lifecycleID: "one" });
  const first = startStream(agent.port, { ...cat, tag: "cat" });
  const pid = await first.started();
  const streams = [first, ...Array.from({ length: 49 }, () => connectStream(agent.port, pid))];
  await Promise.all(streams.map((stream) => stream.started()));
  const idle = await openConnection(agent.port);
  const asking = await openConnection(agent.port);
  const request = (lifecycleID: string) => {
    const body = JSON.stringify({ lifecycleID });
    asking.send(`POST /init HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  };

  request("one");
  await asking.until("the first answer", (received) => received.includes("204") || undefined);
  await Promise.all(streams.map((stream) => stream.until("the start", () => true)));

  const beganAt = performance.now();
  request("two");
  await asking.until(
    "the second answer",
    (received) => received.toString().split("204").length > 2 || undefined,
  );
  await Promise.all(streams.map((stream) => expect(stream.ended()).rejects.toThrow("closed")));
  expect(performance.now() - beganAt).toBeLessThan(1_000);
  await idle.closed();
  // The process is still there, under the same pid.
  const again = connectStream(agent.port, pid);
  await again.started();
  await write(agent, "cat", "x");
  await again.received(1);
});

test("each generation has another name, and the process_id stays", async () => {
  const agent = await startAgent();
  await startStream(agent.port, { ...cat, tag: "cat" }).started();
  const client = plainClient(agent.url);
  const processId = async () => (await client.list({ includeEnded: true })).processes[0]?.processId;
  const [id, first] = [await processId(), await generationOf(agent, "cat")];
  expect(first).toMatch(/^[\da-f-]{36}$/);
  expect(await generationOf(agent, "cat")).toBe(first);
  await init(agent, { lifecycleID: "a" });
  const second = await generationOf(agent, "cat");
  expect(second).not.toBe(first);
  await init(agent, { lifecycleID: "a" });
  expect(await generationOf(agent, "cat")).toBe(second);
  await init(agent, { lifecycleID: "b" });
  expect(await generationOf(agent, "cat")).not.toBe(second);
  expect(await processId()).toBe(id);
});

test("a client without offsets gets no generation", async () => {
  const agent = await startAgent();
  await startStream(agent.port, { ...cat, tag: "cat" }).started();
  const abort = new AbortController();
  for await (const { event } of plainClient(agent.url).connect(
    { process: byTag("cat") },
    { signal: abort.signal },
  )) {
    expect(event?.event).toMatchObject({ case: "start", value: { generation: "" } });
    break;
  }
  abort.abort();
});

test("a client beyond what it shares with this machine learns where its output was rewound to", async () => {
  const agent = await startAgent();
  const stream = startStream(agent.port, { ...cat, tag: "cat" });
  await stream.started();
  await write(agent, "cat", "0123456789");
  await stream.received(10);
  const old = await generationOf(agent, "cat");
  await init(agent, { lifecycleID: "restored" });
  // The output of the new generation is beyond the client's offset, which would hide the difference.
  const after = connectStream(agent.port, await stream.started());
  await after.started();
  await write(agent, "cat", "abcdefghij".repeat(10));
  await after.received(100);

  const rewound = (was: number, now: number) => [
    expect.objectContaining({ case: "start", value: expect.objectContaining({ offset: BigInt(now) }) }),
    expect.objectContaining({
      case: "rewound",
      value: expect.objectContaining({ was: BigInt(was), now: BigInt(now) }),
    }),
  ];
  expect(await firstEvents(agent, "cat", 50, old)).toEqual(rewound(50, 10));
  expect(await firstEvents(agent, "cat", 5_000, old)).toEqual(rewound(5_000, 10));
  // A clone's generation is not known here: it left this timeline at the last change or before.
  expect(await firstEvents(agent, "cat", 50, "of-a-clone")).toEqual(rewound(50, 10));
  // Up to the change, both have the same output.
  const [, data] = await firstEvents(agent, "cat", 10, old);
  expect(data?.case).toBe("data");
  // In the present generation, nothing beyond the output can have been received.
  expect(await firstEvents(agent, "cat", 5_000, await generationOf(agent, "cat"))).toEqual(
    rewound(5_000, 110),
  );
});

test("without a generation, an offset beyond the output is out_of_range, as before", async () => {
  const agent = await startAgent();
  await startStream(agent.port, { ...cat, tag: "cat" }).started();
  await expect(firstEvents(agent, "cat", 5_000)).rejects.toThrow("out_of_range");
});

test.each([
  ["a lifecycleID that is not text", { lifecycleID: 5 }, "lifecycleID"],
  ["a long lifecycleID", { lifecycleID: "x".repeat(257) }, "lifecycleID"],
  ["entropy that is not base64", { lifecycleID: "x", entropy: "not base64!" }, "entropy"],
  ["long entropy", { lifecycleID: "x", entropy: "A".repeat(700) }, "entropy"],
])("%s is refused and begins no generation", async (_, body, field) => {
  const agent = await startAgent();
  const stream = startStream(agent.port, { ...cat, tag: "cat" });
  await stream.started();
  const answer = await fetch(`${agent.url}/init`, { method: "POST", body: JSON.stringify(body) });
  expect(answer.status).toBe(400);
  expect(await answer.text()).toContain(field);
  await write(agent, "cat", "x");
  await stream.received(1);
});

test("entropy is accepted with a new lifecycleID", async () => {
  const agent = await startAgent();
  const entropy = Buffer.alloc(32, 7).toString("base64");
  expect(await init(agent, { lifecycleID: "x", entropy })).toBe(204);
  await eventually("the log line", () => agent.stderr().includes("new generation"), agent.stderr);
});
