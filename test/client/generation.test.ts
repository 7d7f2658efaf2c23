// A real agent begins a new generation: the client continues where it was, and learns of output that
// belongs to another timeline.

import { expect, test } from "vitest";
import type { ConnectionState, RemoteProcess } from "../../src/client/index.ts";
import { untilFound } from "../support/until-found.ts";
import { agentForFile } from "./file-agent.ts";
import { connectTo, type HttpVersion, httpVersions } from "./test-client.ts";

const agent = agentForFile();
let lifecycles = 0;

/** As an orchestrator does after it has restored the machine. */
async function beginGeneration(): Promise<void> {
  const response = await fetch(`${agent.url}/init`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ lifecycleID: `life ${process.pid} ${lifecycles++}` }),
  });
  expect(response.status).toBeLessThan(300);
}

async function startEcho(httpVersion: HttpVersion = "1.1") {
  const states: ConnectionState[] = [];
  const remote = await connectTo(agent.url, { httpVersion }).start(
    { cmd: "cat", stdin: true },
    { onState: (state) => void states.push(state) },
  );
  return { remote, states };
}

async function echo(remote: RemoteProcess, text: string): Promise<string> {
  await remote.write(text);
  const until = remote.offset + text.length;
  let received = "";
  for await (const event of remote) {
    if (event.kind === "stdout") received += Buffer.from(event.data).toString();
    if (remote.offset >= until) break;
  }
  return received;
}

test.each(httpVersions)(
  "an attached process continues over a new generation without a rewind, over HTTP/%s",
  async (httpVersion) => {
    await beginGeneration();
    const { remote, states } = await startEcho(httpVersion);
    expect(await echo(remote, "before\n")).toBe("before\n");
    const { generation } = remote;
    await beginGeneration();
    expect(await echo(remote, "after\n")).toBe("after\n");
    expect(generation).toMatch(/./);
    expect(remote.generation).not.toBe(generation);
    expect(states.filter(({ kind }) => kind === "connected")).toHaveLength(2);
    await remote.closeStdin();
    expect(await remote.discardOutput()).toMatchObject({ exitCode: 0, offset: 13 });
  },
);

test("an offset of the old generation beyond its end is rewound to that end", async () => {
  await beginGeneration();
  const { remote } = await startEcho();
  await echo(remote, "common\n");
  const { generation = "", processId } = remote;
  await beginGeneration();
  await echo(remote, "new timeline\n");
  // As a client that had received other bytes before the restore.
  const client = connectTo(agent.url);
  const strict = await client.attach(processId, { fromOffset: 12, generation });
  await expect(strict.discardOutput()).rejects.toMatchObject({ name: "RewoundError", was: 12, now: 7 });

  const states: ConnectionState[] = [];
  const lenient = await client.attach(processId, {
    fromOffset: 12,
    generation,
    onRewind: "resume",
    onState: (state) => void states.push(state),
  });
  await remote.closeStdin();
  let text = "";
  for await (const event of lenient) if (event.kind === "stdout") text += Buffer.from(event.data).toString();
  expect(text).toBe("new timeline\n");
  expect(states).toContainEqual({ kind: "rewound", was: 12, now: 7 });
  await untilFound(
    () => (lenient.generation !== generation ? true : undefined),
    () => lenient.generation,
  );
});
