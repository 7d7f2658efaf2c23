// The client checks the stream against its own offset. It abandons a stream that repeats, drops or
// reorders output, and asks again for exactly the missing bytes.

import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import type { ConnectionState } from "../../src/client/index.ts";
import { collect } from "./collect.ts";
import {
  dataEvent,
  endEvent,
  gapEvent,
  type StreamEvent,
  serveScript,
  serveStreams,
  startEvent,
} from "./scripted-agent.ts";
import { connectTo } from "./test-client.ts";

const rest = [startEvent(3), dataEvent("def", 3), endEvent(6)];

test.each<[string, StreamEvent[]]>([
  ["a repeated chunk", [dataEvent("abc", 0), dataEvent("abc", 0)]],
  ["a missing chunk", [dataEvent("abc", 0), dataEvent("f", 5)]],
  ["a gap at another offset", [dataEvent("abc", 0), gapEvent(4, 5)]],
  ["a gap that goes back", [dataEvent("abc", 0), gapEvent(3, 1)]],
  ["an end event before the last byte", [dataEvent("abc", 0), endEvent(6)]],
  ["a second start event", [dataEvent("abc", 0), startEvent(3)]],
  ["a stream that ends without an end event", [dataEvent("abc", 0)]],
])("after %s the stream is resumed at the last correct byte", async (_what, events) => {
  const agent = await serveStreams([startEvent(0), ...events], rest);
  const process = await connectTo(agent.url).start({ cmd: "x" });
  const { text, exit } = await collect(process);
  expect({ text: text.stdout, offset: exit.offset }).toEqual({ text: "abcdef", offset: 6 });
  expect(agent.asked).toEqual([undefined, 3n]);
});

test.each<[string, StreamEvent]>([
  ["another process", startEvent(3, "two")],
  ["another offset", startEvent(0)],
  ["output before the start event", dataEvent("def", 3)],
])("a resumed stream of %s is abandoned for another", async (_what, first) => {
  const agent = await serveStreams([startEvent(0), dataEvent("abc", 0)], [first, dataEvent("xyz", 0)], rest);
  const process = await connectTo(agent.url).start({ cmd: "x" });
  await expect(collect(process)).resolves.toMatchObject({ text: { stdout: "abcdef" } });
  expect(agent.asked).toEqual([undefined, 3n, 3n]);
});

test("a lost end event is read by attaching again", async () => {
  const agent = await serveStreams([startEvent(0), dataEvent("abc", 0)], [startEvent(3), endEvent(3)]);
  const process = await connectTo(agent.url).start({ cmd: "x" });
  await expect(collect(process)).resolves.toMatchObject({ text: { stdout: "abc" }, exit: { offset: 3 } });
  expect(agent.asked).toEqual([undefined, 3n]);
});

test("a path that never delivers correctly is given up with its error", async () => {
  const agent = await serveStreams(
    [startEvent(0), dataEvent("abc", 0)],
    [startEvent(3), dataEvent("abc", 0)],
  );
  const states: ConnectionState[] = [];
  const process = await connectTo(agent.url).start({ cmd: "x" }, { onState: (state) => states.push(state) });
  const failure = {
    name: "ClientError",
    code: "data_loss",
    message: "output arrived at offset 0, expected 3",
  };
  await expect(collect(process)).rejects.toMatchObject(failure);
  await expect(process.exit).rejects.toMatchObject(failure);
  await expect(process[Symbol.asyncIterator]().next()).rejects.toMatchObject(failure);
  expect(states.at(-1)).toMatchObject({ kind: "gone", error: failure });
  // The first failure in a row is the stream without an end event; doubtful failures are counted
  // from the next one on.
  expect(agent.asked).toHaveLength(6);
});

test("an agent without process ids is refused, because its streams cannot be resumed", async () => {
  const agent = await serveStreams([startEvent(0, "")]);
  await expect(connectTo(agent.url).start({ cmd: "x" })).rejects.toMatchObject({ code: "unimplemented" });
});

test.each([
  Code.NotFound,
  Code.InvalidArgument,
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.OutOfRange,
  Code.FailedPrecondition,
  Code.Unimplemented,
  Code.AlreadyExists,
  Code.ResourceExhausted,
])("a start refused with code %i is not repeated", async (code) => {
  let starts = 0;
  const url = await serveScript({
    // biome-ignore lint/correctness/useYield: it refuses.
    async *start() {
      starts++;
      throw new ConnectError("no", code);
    },
  });
  const refused = connectTo(url).start({ cmd: "x" });
  await expect(refused).rejects.toMatchObject({ message: expect.stringContaining("no") });
  expect(starts).toBe(1);
});

test("a stream that was disconnected as stalled is resumed", async () => {
  let streams = 0;
  const url = await serveScript({
    async *start() {
      yield { event: { event: startEvent(0) } };
      yield { event: { event: dataEvent("abc", 0) } };
      throw new ConnectError("cut at offset 3", Code.ResourceExhausted);
    },
    async *connect() {
      // For example out of descriptors: a shortage does not stop the client from returning.
      if (++streams < 3) throw new ConnectError("too many", Code.ResourceExhausted);
      for (const event of rest) yield { event: { event } };
    },
  });
  await expect(collect(await connectTo(url).start({ cmd: "x" }))).resolves.toMatchObject({
    text: { stdout: "abcdef" },
  });
});

test("the fifth internal error in a row is final", async () => {
  let starts = 0;
  const url = await serveScript({
    // biome-ignore lint/correctness/useYield: it fails.
    async *start() {
      starts++;
      throw new ConnectError("internal error", Code.Internal);
    },
  });
  await expect(connectTo(url).start({ cmd: "x" })).rejects.toMatchObject({ code: "internal" });
  expect(starts).toBe(5);
});

test("an unknown event is ignored", async () => {
  const agent = await serveStreams([
    startEvent(0),
    { case: undefined },
    dataEvent("abc", 0),
    { case: "keepalive", value: {} },
    endEvent(3),
  ]);
  await expect(collect(await connectTo(agent.url).start({ cmd: "x" }))).resolves.toMatchObject({
    text: { stdout: "abc" },
  });
});
