// Input with offsets: repeats are skipped, holes are refused, and each writer has its own count.

import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect, onTestFinished, test } from "vitest";
import { Process, type ProcessEvent } from "../../src/gen/process_pb.ts";
import { startAgent } from "../support/agent/agent.ts";

test("a repeated piece is written once, even in part, and the answer has the accepted offset", async () => {
  const cat = await startCat();
  expect(await cat.send("hello ", 0n)).toBe(6n);
  expect(await cat.send("hello ", 0n)).toBe(6n);
  expect(await cat.send("lo world", 3n)).toBe(11n);
  expect(await cat.send("", 4n)).toBe(11n);
  await expect(cat.send("x", 12n)).rejects.toThrow(
    "[out_of_range] input at offset 12 would leave a hole: 11 bytes",
  );
  expect(await cat.close()).toBe("hello world");
});

test("each writer counts its own bytes only", async () => {
  const cat = await startCat();
  expect(await cat.send("one ", 0n, "A")).toBe(4n);
  expect(await cat.send("two ", 0n, "B")).toBe(4n);
  expect(await cat.send("one ", 0n, "A")).toBe(4n);
  expect(await cat.send("three", 4n, "A")).toBe(9n);
  await expect(cat.send("x", 5n, "B")).rejects.toThrow("[out_of_range]");
  // Without a writer, all bytes count.
  expect(await cat.send("!", 13n)).toBe(14n);
  expect(await cat.close()).toBe("one two three!");
});

test("a writer without an offset is refused", async () => {
  const cat = await startCat();
  await expect(cat.send("x", undefined, "A")).rejects.toThrow(
    "[invalid_argument] writer is given without an offset",
  );
  expect(await cat.close()).toBe("");
});

test("input that an ended process accepted may be repeated, and no other input", async () => {
  const cat = await startCat();
  await cat.send("hello", 0n, "A");
  await cat.close();
  expect(await cat.send("hello", 0n, "A")).toBe(5n);
  await expect(cat.send("more", 5n, "A")).rejects.toThrow("[failed_precondition]");
  await expect(cat.send("more", undefined)).rejects.toThrow("[not_found]");
});

test("only clients that ask for offsets receive the fields pty and timed_out", async () => {
  const { url } = await startAgent();
  const rpc = createClient(Process, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));
  const started = rpc
    .start(
      { process: { cmd: "sleep", args: ["60"] }, pty: { size: { cols: 80, rows: 24 } }, tag: "terminal" },
      { headers: { "Connect-Timeout-Ms": "1000" } },
    )
    [Symbol.asyncIterator]();
  await started.next();
  const terminal = { selector: { case: "tag", value: "terminal" } } as const;
  const [plain, asked] = await Promise.all([
    eventsOf(rpc.connect({ process: terminal })),
    eventsOf(rpc.connect({ process: terminal, offsets: true })),
  ]);
  expect(plain).toMatchObject([
    { case: "start", value: { pty: false } },
    { case: "end", value: { status: "signal: killed", timedOut: false } },
  ]);
  expect(asked).toMatchObject([
    { case: "start", value: { pty: true } },
    { case: "end", value: { status: "signal: killed", timedOut: true } },
  ]);
  const { processes } = await rpc.list({ includeEnded: true });
  expect(processes).toMatchObject([{ pty: true, end: { timedOut: true } }]);
});

async function eventsOf(stream: AsyncIterable<{ event?: ProcessEvent | undefined }>) {
  const events: ProcessEvent["event"][] = [];
  for await (const { event } of stream) if (event !== undefined) events.push(event.event);
  return events;
}

async function startCat() {
  const { url } = await startAgent();
  const rpc = createClient(Process, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));
  const leave = new AbortController();
  onTestFinished(() => leave.abort());
  const output = rpc
    .start({ process: { cmd: "cat" }, offsets: true }, { signal: leave.signal })
    [Symbol.asyncIterator]();
  const start: ProcessEvent["event"] | undefined = (await output.next()).value?.event?.event;
  const processId = start?.case === "start" ? start.value.processId : "";
  const process = { selector: { case: "processId", value: processId } } as const;
  return {
    send: async (text: string, offset: bigint | undefined, writer?: string) => {
      const input = { input: { case: "stdin", value: new TextEncoder().encode(text) } } as const;
      const place = {
        ...(offset === undefined ? {} : { offset }),
        ...(writer === undefined ? {} : { writer }),
      };
      return (await rpc.sendInput({ process, input, ...place })).offset;
    },
    /** All its output. */
    close: async () => {
      await rpc.closeStdin({ process });
      let text = "";
      for await (const { event } of { [Symbol.asyncIterator]: () => output })
        if (event?.event.case === "data") text += new TextDecoder().decode(event.event.value.output.value);
      return text;
    },
  };
}
