// The machine is restored from a snapshot to a state before the client's offset. The client never takes
// the new output for a continuation of the old one.

import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { type ConnectionState, type ProcessOptions, RewoundError } from "../../src/client/index.ts";
import { type ConnectRequest, type ListRequest, SendInputResponseSchema } from "../../src/gen/process_pb.ts";
import {
  dataEvent,
  endEvent,
  rewoundEvent,
  type StreamEvent,
  serveScript,
  startEvent,
} from "./scripted-agent.ts";
import { connectTo } from "./test-client.ts";

type Step = readonly StreamEvent[] | ConnectError;

const outOfRange = new ConnectError("from_offset 6 is beyond the end of the output, 2", Code.OutOfRange);

/** The n-th stream, Start or Connect, is the n-th step. `head` is the process's offset in List. */
async function serveSteps(steps: readonly Step[], head?: number) {
  const connects: ConnectRequest[] = [];
  const lists: ListRequest[] = [];
  const inputs: { writer: string | undefined; offset: bigint | undefined }[] = [];
  let streams = 0;
  async function* next() {
    const step = steps[streams++] ?? [];
    if (step instanceof ConnectError) throw step;
    for (const event of step) yield { event: { event } };
  }
  const url = await serveScript({
    start: () => next(),
    connect: (request) => {
      connects.push(request);
      return next();
    },
    list: (request) => {
      lists.push(request);
      return head === undefined ? {} : { processes: [{ pid: 12, processId: "one", offset: BigInt(head) }] };
    },
    sendInput: ({ writer, offset, input }) => {
      inputs.push({ writer, offset });
      const bytes = input?.input.value?.length ?? 0;
      return create(SendInputResponseSchema, { offset: (offset ?? 0n) + BigInt(bytes) });
    },
  });
  return { url, connects, lists, inputs };
}

async function startOn(url: string, options: ProcessOptions = {}) {
  const states: ConnectionState[] = [];
  const process = await connectTo(url).start(
    { cmd: "x", stdin: true },
    { ...options, onState: (state) => states.push(state) },
  );
  return { process, states };
}

const first = [startEvent(0, "one", "g1"), dataEvent("abcdef", 0)];
/** The same process in a machine that was restored to its state at offset 2. */
const restored = [startEvent(2, "one", "g2"), rewoundEvent(6, 2), dataEvent("XY", 2), endEvent(4)];

test("a resume sends the generation of the stream that it continues", async () => {
  const agent = await serveSteps([
    first,
    [startEvent(6, "one", "g1"), dataEvent("g", 6)],
    [startEvent(7, "one", "g1"), endEvent(7)],
  ]);
  const { process } = await startOn(agent.url);
  expect(process.generation).toBe("g1");
  await process.discardOutput();
  expect(agent.connects.map(({ fromOffset, generation }) => [fromOffset, generation])).toEqual([
    [6n, "g1"],
    [7n, "g1"],
  ]);
});

test("a resume at an agent without generations sends none", async () => {
  const agent = await serveSteps([
    [startEvent(0), dataEvent("abc", 0)],
    [startEvent(3), endEvent(3)],
  ]);
  const { process } = await startOn(agent.url);
  await process.discardOutput();
  expect(process.generation).toBeUndefined();
  expect(agent.connects).toMatchObject([{ fromOffset: 3n }]);
  expect(agent.connects[0]?.generation).toBeUndefined();
});

test.each<[string, Step]>([
  ["at its own offset", restored],
  ["at its own offset in the same generation", [startEvent(2, "one", "g1"), ...restored.slice(1)]],
  ["at the client's offset", [startEvent(6, "one", "g2"), ...restored.slice(1)]],
])(
  "a rewound event of a stream that starts %s ends the iteration and exit with RewoundError",
  async (_where, step) => {
    const agent = await serveSteps([first, step]);
    const { process, states } = await startOn(agent.url);
    const received: unknown[] = [];
    const loop = (async () => {
      for await (const event of process) received.push(event);
    })();
    await expect(loop).rejects.toMatchObject({ name: "RewoundError", code: "out_of_range", was: 6, now: 2 });
    await expect(process.exit).rejects.toBeInstanceOf(RewoundError);
    expect(received).toHaveLength(1);
    expect(process.offset).toBe(6);
    expect(states.at(-1)).toMatchObject({ kind: "gone", error: { was: 6, now: 2 } });
  },
);

test("with onRewind resume the iteration continues at the restored offset, and onState reports it before", async () => {
  const agent = await serveSteps([first, restored]);
  const { process, states } = await startOn(agent.url, { onRewind: "resume" });
  const received: (readonly [string, number, number])[] = [];
  for await (const event of process)
    if (event.kind === "stdout")
      received.push([
        Buffer.from(event.data).toString(),
        event.offset,
        states.filter((s) => s.kind === "rewound").length,
      ]);
  expect(received).toEqual([
    ["abcdef", 0, 0],
    ["XY", 2, 1],
  ]);
  expect(states).toContainEqual({ kind: "rewound", was: 6, now: 2 });
  expect(await process.exit).toMatchObject({ offset: 4 });
  expect([process.offset, process.generation]).toEqual([4, "g2"]);
});

test("an out_of_range answer to a resume is a rewind to the offset that List has", async () => {
  const agent = await serveSteps([[startEvent(0), dataEvent("abcdef", 0)], outOfRange], 2);
  const { process } = await startOn(agent.url);
  await expect(process.discardOutput()).rejects.toMatchObject({ name: "RewoundError", was: 6, now: 2 });
  expect(agent.lists).toMatchObject([{ omitConfig: true, process: { selector: { value: "one" } } }]);
});

test("with onRewind resume an out_of_range answer is followed by an attach at the head", async () => {
  const agent = await serveSteps(
    [[startEvent(0), dataEvent("abcdef", 0)], outOfRange, [startEvent(2), dataEvent("XY", 2), endEvent(4)]],
    2,
  );
  const { process, states } = await startOn(agent.url, { onRewind: "resume" });
  expect(await process.discardOutput()).toMatchObject({ offset: 4 });
  expect(agent.connects.map(({ fromOffset }) => fromOffset)).toEqual([6n, 2n]);
  expect(states).toContainEqual({ kind: "rewound", was: 6, now: 2 });
});

test("an out_of_range answer although the process has more output stays an error", async () => {
  const agent = await serveSteps([[startEvent(0), dataEvent("abcdef", 0)], outOfRange], 9);
  const { process } = await startOn(agent.url);
  await expect(process.discardOutput()).rejects.toMatchObject({ name: "ClientError", code: "out_of_range" });
});

test.each<[string, Step]>([
  [
    "output of a new generation at a lower offset without a rewound event",
    [startEvent(2, "one", "g2"), dataEvent("XY", 2)],
  ],
  ["a rewound event for another offset", [startEvent(2, "one", "g2"), rewoundEvent(9, 2)]],
  ["a rewound event to a later offset", [startEvent(6, "one", "g2"), rewoundEvent(6, 8)]],
])("a stream with %s is abandoned for another", async (_what, step) => {
  const agent = await serveSteps([first, step, [startEvent(6, "one", "g1"), endEvent(6)]]);
  const { process, states } = await startOn(agent.url);
  expect(await process.discardOutput()).toMatchObject({ offset: 6 });
  expect(states.filter(({ kind }) => kind === "reconnecting")).toHaveLength(2);
  expect(agent.connects.map(({ generation }) => generation)).toEqual(["g1", "g1"]);
});

test("a rewind whose stream breaks before the rewound event is reported by the next stream", async () => {
  const agent = await serveSteps([first, [startEvent(2, "one", "g2")], restored]);
  const { process } = await startOn(agent.url);
  await expect(process.discardOutput()).rejects.toMatchObject({ was: 6, now: 2 });
  expect(agent.connects.map(({ generation }) => generation)).toEqual(["g1", "g1"]);
});

test("an attach with the offset and generation of an earlier client reports the rewind", async () => {
  const agent = await serveSteps([restored]);
  const process = await connectTo(agent.url).attach("one", { fromOffset: 6, generation: "g1" });
  await expect(process.discardOutput()).rejects.toMatchObject({ name: "RewoundError", was: 6, now: 2 });
  expect(agent.connects).toMatchObject([{ fromOffset: 6n, generation: "g1" }]);
});

test("after a rewind with onRewind resume, writes use a new name and start at 0", async () => {
  const agent = await serveSteps([first, restored]);
  const { process } = await startOn(agent.url, { onRewind: "resume" });
  await process.write("one");
  await process.discardOutput();
  await process.write("two");
  const [before, after] = agent.inputs;
  expect([before?.offset, after?.offset]).toEqual([0n, 0n]);
  expect(after?.writer).not.toBe(before?.writer);
});
