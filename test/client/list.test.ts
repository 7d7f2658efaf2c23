// The client's requests with List, and its treatment of the answers of older and newer agents.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import {
  type ListRequest,
  ListRequestSchema,
  type ListResponseSchema,
  type ProcessInfoSchema,
  ProcessSelectorSchema,
} from "../../src/gen/process_pb.ts";
import { endEvent, serveScript, startEvent } from "./scripted-agent.ts";
import { connectTo } from "./test-client.ts";

type Info = MessageInitShape<typeof ProcessInfoSchema>;
type Page = MessageInitShape<typeof ListResponseSchema>;

const info = (pid: number, more: Info = {}): Info => ({ pid, processId: `id-${pid}`, ...more });

/** An agent whose n-th List answer is the n-th of `pages`, and later the last one. */
async function serveList(...pages: readonly Page[]) {
  const lists: ListRequest[] = [];
  const fromOffsets: (bigint | undefined)[] = [];
  const url = await serveScript({
    list: (request) => {
      lists.push(request);
      return pages[lists.length - 1] ?? pages.at(-1) ?? {};
    },
    async *connect({ fromOffset, process }) {
      fromOffsets.push(fromOffset);
      const { value } = process?.selector ?? { value: "" };
      for (const event of [startEvent(Number(fromOffset ?? 0n), String(value)), endEvent(Number(fromOffset))])
        yield { event: { event } };
    },
  });
  return { url, lists, fromOffsets };
}

test.each([
  ["a process_id", "id-2", { case: "processId" as const, value: "id-2" }],
  ["a pid", { pid: 2 }, { case: "pid" as const, value: 2 }],
  ["a tag", { tag: "t" }, { case: "tag" as const, value: "t" }],
])("an attach by %s lists only that process, without its configuration", async (_by, selector, wire) => {
  const agent = await serveList({ processes: [info(2, { tag: "t", attachOffset: 7n })] });
  const process = await connectTo(agent.url).attach(selector);
  expect(process.offset).toBe(7);
  expect(agent.lists).toEqual([
    create(ListRequestSchema, {
      includeEnded: true,
      omitConfig: true,
      process: create(ProcessSelectorSchema, { selector: wire }),
    }),
  ]);
});

test("an attach finds its process in the full list of an agent that ignores the selector", async () => {
  const processes = [
    info(1, { attachOffset: 1n }),
    info(2, { attachOffset: 2n }),
    info(3, { attachOffset: 3n }),
  ];
  const agent = await serveList({ processes });
  expect((await connectTo(agent.url).attach({ pid: 2 })).offset).toBe(2);
  await expect(connectTo(agent.url).list({ process: { pid: 3 } })).resolves.toMatchObject([{ pid: 3 }]);
});

test("an attach by tag starts where the newest live process with that tag does", async () => {
  const end = { exited: true, status: "exit status 0" };
  const tagged = [info(9, { tag: "t", end, attachOffset: 9n }), info(4, { tag: "t" }), info(5, { tag: "t" })];
  const agent = await serveList({ processes: tagged.map((one, n) => ({ ...one, attachOffset: BigInt(n) })) });
  const process = await connectTo(agent.url).attach({ tag: "t" });
  expect([process.processId, process.offset]).toEqual(["id-5", 2]);
});

test("an attach by tag prefers a live process to a newer ended one of a later page", async () => {
  const end = { exited: true, status: "exit status 0" };
  const agent = await serveList(
    { processes: [info(1, { tag: "t", attachOffset: 1n })], nextPageToken: "a" },
    { processes: [info(2, { tag: "t", attachOffset: 2n, end })] },
  );
  expect((await connectTo(agent.url).attach({ tag: "t" })).processId).toBe("id-1");
});

test("list follows all pages, and a process on two pages is listed once, in its latest state", async () => {
  const agent = await serveList(
    { processes: [info(1), info(2, { subscribers: 1 })], nextPageToken: "a" },
    { processes: [info(2, { subscribers: 5 }), info(3)], nextPageToken: "b" },
    { processes: [info(4)] },
  );
  const all = await connectTo(agent.url).list();
  expect(all.map(({ pid, subscribers }) => [pid, subscribers])).toEqual([
    [1, 0],
    [2, 5],
    [3, 0],
    [4, 0],
  ]);
  expect(agent.lists.map(({ pageToken }) => pageToken)).toEqual(["", "a", "b"]);
});

test("an agent that repeats a page token fails the list instead of being asked forever", async () => {
  const agent = await serveList({ processes: [info(1)], nextPageToken: "a" });
  await expect(connectTo(agent.url).list()).rejects.toMatchObject({ code: "data_loss" });
  expect(agent.lists).toHaveLength(2);
});

test("list passes on omitConfig, and returns user and blockedMs if the agent sends them", async () => {
  const agent = await serveList({ processes: [info(1, { user: "alice", blockedMs: 1500n }), info(2)] });
  const [first, second] = await connectTo(agent.url).list({ omitConfig: true });
  expect(first).toMatchObject({ cmd: "", args: [], env: {}, user: "alice", blockedMs: 1500 });
  expect(second).not.toHaveProperty("user");
  expect(second).not.toHaveProperty("blockedMs");
  expect(agent.lists).toMatchObject([{ omitConfig: true }]);
});
