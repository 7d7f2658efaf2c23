// List with a selector, without configurations and in pages; and its bounds, which also protect clients that know none of
// these.

import { expect, onTestFinished, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { killAll, plainClient } from "../support/agent/running-processes.ts";
import { receive } from "../support/clients/received-events.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";

type Client = ReturnType<typeof plainClient>;
type ListRequest = Parameters<Client["list"]>[0];

async function agentWith(...args: string[]) {
  const agent = await startAgent({ args });
  onTestFinished(() => killAll(agent.url));
  const client = plainClient(agent.url);
  const start = async (tag: string, ...words: string[]) => {
    await startAndLeave(agent.port, {
      process: { cmd: "sleep", args: ["1000", ...words] },
      tag,
      stdin: false,
    });
  };
  const tags = async (request: ListRequest) => (await client.list(request)).processes.map(({ tag }) => tag);
  return { agent, client, start, tags };
}

/** An argument of `bytes` bytes that sleep accepts. */
function seconds(bytes: number): string {
  return "0".repeat(bytes);
}

test("a selector lists only what it selects: a tag all processes that have it, an unknown one none", async () => {
  const { client, start, tags } = await agentWith();
  for (const tag of ["a", "b", "a"]) await start(tag);
  expect(await tags({ process: { selector: { case: "tag", value: "a" } } })).toEqual(["a", "a"]);
  const [, b] = (await client.list({ includeEnded: true })).processes;
  expect(b?.tag).toBe("b");
  for (const selector of [
    { case: "pid", value: b?.pid ?? 0 },
    { case: "processId", value: b?.processId ?? "" },
  ] as const)
    expect(await tags({ process: { selector } })).toEqual(["b"]);
  expect(await tags({ process: { selector: { case: "tag", value: "c" } } })).toEqual([]);
  await expect(tags({ process: {} })).rejects.toThrow(
    "[invalid_argument] process is missing; select one by pid, tag or process_id",
  );
});

test("omit_config leaves out the configuration, and the answer has the additions", async () => {
  const { client, start } = await agentWith();
  await start("a");
  const [process] = (await client.list({ omitConfig: true })).processes;
  expect(process?.config).toBeUndefined();
  expect(process).toMatchObject({
    tag: "a",
    processId: expect.stringMatching(/./),
    user: expect.stringMatching(/./),
  });
});

test("pages together have each process once, even if processes start and end between them", async () => {
  const { client, start } = await agentWith();
  for (const tag of ["0", "1", "2", "3", "4"]) await start(tag);
  const seen: (string | undefined)[] = [];
  let pageToken = "";
  do {
    const page = await client.list({ includeEnded: true, pageSize: 2, pageToken });
    expect(page.processes.length).toBeLessThanOrEqual(2);
    seen.push(...page.processes.map(({ tag }) => tag));
    if (pageToken === "") {
      // One on this page and one on a later page end, and one more starts.
      for (const tag of ["0", "3"]) {
        const process = { selector: { case: "tag", value: tag } } as const;
        const ended = receive(client.connect({ process }));
        await ended.started();
        await client.sendSignal({ process, signal: 9 });
        await ended.ended();
      }
      await start("5");
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(seen.sort()).toEqual(["0", "1", "2", "3", "4", "5"]);
});

test("a page_token that the agent did not send is invalid_argument", async () => {
  const { client } = await agentWith();
  for (const pageToken of ["x", "-1", "1.5", "99999999999"])
    await expect(client.list({ pageToken })).rejects.toThrow(
      `[invalid_argument] page_token "${pageToken}" is not one of this agent; send next_page_token of the page before`,
    );
});

test("a page ends before its configurations exceed 1 MiB, but has at least one process", async () => {
  const { client, start } = await agentWith();
  const words = Array.from({ length: 5 }, () => seconds(100_000));
  for (const tag of ["a", "b", "c"]) await start(tag, ...words);
  const page = await client.list({ pageSize: 100 });
  expect(page.processes.map(({ tag }) => tag)).toEqual(["a", "b"]);
  const rest = await client.list({ pageSize: 100, pageToken: page.nextPageToken });
  expect(rest.processes.map(({ tag }) => tag)).toEqual(["c"]);
  expect(rest.nextPageToken).toBe("");
  // Without configurations everything fits.
  expect((await client.list({ pageSize: 100, omitConfig: true })).processes.length).toBe(3);
});

test("without pages, configurations beyond 2 MiB are shortened, and a note says so", async () => {
  const { client, start } = await agentWith();
  const words = Array.from({ length: 9 }, () => seconds(100_000));
  for (const tag of ["a", "b", "c"]) await start(tag, ...words);
  const { processes } = await client.list({});
  expect(processes.map(({ config }) => config?.args.length)).toEqual([10, 10, 2]);
  expect(processes[2]?.config).toMatchObject({
    cmd: "sleep",
    args: ["1000", "… (9 arguments and 0 variables are not shown; List with page_size shows them)"],
  });
});
