// A request that breaks off before its end is not executed, however much of it has arrived (rule 5). Over HTTP/2 the bytes do
// not say where a request ends: the connection or the stream can end before it does.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { SendInputRequestSchema, StartRequestSchema } from "../../src/gen/process_pb.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { envelope } from "../support/clients/envelopes.ts";
import {
  END_HEADERS,
  frame,
  framesIn,
  frameType,
  frameTypes,
  HELLO,
  postBlock,
} from "../support/clients/http2-frames.ts";
import { openConnection } from "../support/clients/raw-http.ts";
import { startStream } from "../support/clients/stream-client.ts";
import { eventually } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";

let agent: RunningAgent;

beforeAll(async () => {
  agent = await startAgent();
});
afterAll(() => agent.stop());

const TAG = "receiver";
/** HTTP/2's code for it. */
const CANCEL = 8;

type Ending = "the stream is reset" | "the connection is closed" | "the connection is reset";
const endings: readonly Ending[] = [
  "the stream is reset",
  "the connection is closed",
  "the connection is reset",
];

const FRAME_BYTES = 16_384;

/** Sends a POST without its end, waits until the agent has all of it, and breaks off. Node's own client would end the stream first. */
async function sendUnended(path: string, type: string, body: Uint8Array, ending: Ending): Promise<void> {
  const connection = await openConnection(agent.port);
  onTestFinished(() => connection.cut());
  const block = postBlock(path, [["content-type", type]]);
  connection.send(Buffer.concat([HELLO, frame(frameType.headers, END_HEADERS, 1, block)]));
  for (let at = 0; at < body.length; at += FRAME_BYTES) {
    const data = body.subarray(at, at + FRAME_BYTES);
    const mayBeSent = (received: Buffer) => windowBytes(received) >= at + data.length || undefined;
    await connection.until("a window for the next frame", mayBeSent);
    connection.send(frame(frameType.data, 0, 1, data));
  }
  connection.send(frame(frameType.ping, 0, 0, Buffer.alloc(8)));
  // The agent answers after it has read what came before.
  const hasAnswered = (received: Buffer) => frameTypes(received).includes(frameType.ping) || undefined;
  await connection.until("the answer to a ping", hasAnswered);
  if (ending === "the stream is reset")
    connection.send(frame(frameType.reset, 0, 1, Buffer.of(0, 0, 0, CANCEL)));
  else if (ending === "the connection is closed") connection.cut();
  else connection.reset();
}

/** How much may be sent in all on the only stream: the least window, and what the agent has added for it and for the connection. */
function windowBytes(received: Buffer): number {
  const added = [0, 0];
  for (const { type, stream, payload } of framesIn(received))
    if (type === frameType.windowUpdate && payload.length === 4)
      added[stream] = (added[stream] ?? 0) + payload.readUInt32BE();
  return 65_535 + Math.min(...added);
}

/** Another process has been started and has ended since: what the agent would execute of the request, it would have by now. */
async function otherWorkIsDone(): Promise<void> {
  for (let i = 0; i < 3; i++) await startStream(agent.port, { process: { cmd: "true" } }).ended();
}

test.each(endings)("a Start that is whole but for its end is not executed when %s", async (ending) => {
  const file = join(createTempFolder(), "touched");
  const start = create(StartRequestSchema, { process: { cmd: "touch", args: [file] } });
  const body = envelope(toBinary(StartRequestSchema, start));
  await sendUnended("/process.Process/Start", "application/connect+proto", body, ending);
  await otherWorkIsDone();
  expect(existsSync(file)).toBe(false);
});

test.each(
  endings.flatMap((ending) => [
    { ending, size: "short", bytes: 10 },
    { ending, size: "long", bytes: 300_000 },
  ]),
)("$size input that is whole but for its end does not arrive when $ending", async ({ ending, bytes }) => {
  let received = 0;
  const receiver = startStream(
    agent.port,
    { process: { cmd: "cat" }, tag: TAG, stdin: true },
    { onData: (data) => (received += data.length) },
  );
  await receiver.started();
  const client = plainClient(agent.url);
  const process = { selector: { case: "tag" as const, value: TAG } };
  const input = create(SendInputRequestSchema, {
    process,
    input: { input: { case: "stdin", value: new Uint8Array(bytes) } },
  });
  await sendUnended(
    "/process.Process/SendInput",
    "application/proto",
    toBinary(SendInputRequestSchema, input),
    ending,
  );
  await otherWorkIsDone();
  await client.sendInput({ process, input: { input: { case: "stdin", value: Buffer.from("last") } } });
  await client.closeStdin({ process });
  await receiver.ended();
  expect(received).toBe(4);
});

test.each(endings)("an upload that is whole but for its end leaves no file when %s", async (ending) => {
  const folder = createTempFolder();
  const path = `/files?path=${encodeURIComponent(join(folder, "file"))}`;
  await sendUnended(path, "application/octet-stream", Buffer.alloc(300_000), ending);
  await otherWorkIsDone();
  await eventually(
    "nothing is left",
    () => readdirSync(folder).length === 0,
    () => readdirSync(folder),
  );
});
