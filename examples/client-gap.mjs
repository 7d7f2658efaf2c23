// A program that must never wait, and a reader that comes late: bytes that are no longer held are
// reported as a gap.

import { setTimeout } from "node:timers/promises";
import { createClient, GapError } from "holdfast/client";

const client = createClient({ baseUrl: process.env.HOLDFAST_URL ?? "http://127.0.0.1:49983" });

const chatty = await client.start({
  cmd: "bash",
  args: ["-c", "seq 100000"],
  output: { detached: "ring", replayBytes: 100_000 }, // keep the newest 100 kB, and never make it wait
});
chatty.detach();

// It finishes without a client, and its exit can still be read.
let exit;
while (exit === undefined) {
  await setTimeout(20);
  const all = await client.list({ includeEnded: true });
  exit = all.find(({ processId }) => processId === chatty.processId)?.exit;
}
console.log(exit.status, "after", exit.offset, "bytes");

const reader = await client.attach(chatty.processId, { fromOffset: 0 });
let bytes = 0;
for await (const event of reader) {
  if (event.kind === "gap") console.log("there is a gap, from", event.from);
  else bytes += event.data.length;
}
console.log("the newest 100 kB are there:", bytes >= 100_000);

// With onGap "error" the gap ends the iteration.
const strict = await client.attach(chatty.processId, { fromOffset: 0, onGap: "error" });
const error = await strict.discardOutput().catch((error) => error);
console.log(error instanceof GapError, error.code);
client.close();
