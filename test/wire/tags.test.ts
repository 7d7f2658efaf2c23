// Selecting a process: by pid, or by a tag, which several processes may have.

import { type Client, Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { type Process, Signal } from "../../src/gen/process_pb.ts";
import { startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { type Received, receive } from "../support/clients/received-events.ts";

const tagged = (tag: string) => ({ selector: { case: "tag" as const, value: tag } });
const exactly = (pid: number) => ({ selector: { case: "pid" as const, value: pid } });

async function openClient(): Promise<Client<typeof Process>> {
  return plainClient((await startAgent()).url);
}

async function startCat(client: Client<typeof Process>, tag: string) {
  const received = receive(client.start({ process: { cmd: "cat" }, tag }));
  return { pid: await received.started(), received };
}

async function pidOf(connected: Received): Promise<number> {
  return connected.started();
}

test("a tag selects the newest live process with it, and for Connect, once all have ended, the last to end", async () => {
  const client = await openClient();
  const [first, second, third] = [
    await startCat(client, "shared"),
    await startCat(client, "shared"),
    await startCat(client, "shared"),
  ];
  const connected = () => receive(client.connect({ process: tagged("shared") }));

  expect(await pidOf(connected())).toBe(third.pid);
  await client.sendSignal({ process: exactly(second.pid), signal: Signal.SIGKILL });
  await second.received.ended();
  expect(await pidOf(connected())).toBe(third.pid);

  await client.sendSignal({ process: tagged("shared"), signal: Signal.SIGKILL });
  expect(await third.received.ended()).toMatchObject({ status: "signal: killed" });
  expect(await pidOf(connected())).toBe(first.pid);

  await client.closeStdin({ process: tagged("shared") });
  expect(await first.received.ended()).toMatchObject({ exitCode: 0 });
  const late = connected();
  expect(await late.ended()).toMatchObject({ exitCode: 0 });
  expect(await pidOf(late)).toBe(first.pid);
  await expect(client.closeStdin({ process: tagged("shared") })).rejects.toMatchObject({
    code: Code.NotFound,
    rawMessage: 'no process with tag "shared"',
  });
});

test("input by tag and by pid reaches the selected process and no other", async () => {
  const client = await openClient();
  const old = await startCat(client, "cat");
  const young = await startCat(client, "cat");
  const send = (process: ReturnType<typeof tagged | typeof exactly>, text: string) =>
    client.sendInput({ process, input: { input: { case: "stdin", value: Buffer.from(text) } } });
  await send(tagged("cat"), "by tag,");
  await send(exactly(old.pid), "by pid");
  await send(tagged("cat"), "by tag");
  await client.closeStdin({ process: exactly(old.pid) });
  await client.closeStdin({ process: tagged("cat") });
  await Promise.all([old.received.ended(), young.received.ended()]);
  expect([old.received.text("stdout"), young.received.text("stdout")]).toEqual(["by pid", "by tag,by tag"]);
});

test("a tag that looks like a pid is a tag, and an empty tag is an ordinary tag", async () => {
  const client = await openClient();
  const other = await startCat(client, "other");
  const number = await startCat(client, String(other.pid));
  const empty = await startCat(client, "");
  expect(await pidOf(receive(client.connect({ process: tagged(String(other.pid)) })))).toBe(number.pid);
  expect(await pidOf(receive(client.connect({ process: exactly(other.pid) })))).toBe(other.pid);
  expect(await pidOf(receive(client.connect({ process: tagged("") })))).toBe(empty.pid);
});

test("a process without a tag is selected by no tag and has none in the list", async () => {
  const client = await openClient();
  const received = receive(client.start({ process: { cmd: "cat" } }));
  const pid = await received.started();
  const [listed] = (await client.list({})).processes;
  expect([listed?.pid, listed?.tag]).toEqual([pid, undefined]);
  await expect(client.closeStdin({ process: tagged("") })).rejects.toMatchObject({ code: Code.NotFound });
  await client.closeStdin({ process: exactly(pid) });
  await received.ended();
});

test("processes are listed in the order of their start, and an ended one is not listed after its end event", async () => {
  const client = await openClient();
  const cats = [await startCat(client, "c"), await startCat(client, "a"), await startCat(client, "b")];
  const listed = async () => (await client.list({})).processes.map(({ pid, tag }) => ({ pid, tag }));
  const started = cats.map(({ pid }, index) => ({ pid, tag: ["c", "a", "b"][index] }));
  expect(await listed()).toEqual(started);
  await client.closeStdin({ process: tagged("a") });
  await cats[1]?.received.ended();
  expect(await listed()).toEqual([started[0], started[2]]);
});
