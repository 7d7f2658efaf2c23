// Connections that go silent without an error: the missing keepalives reveal them, and the client
// makes new ones. Each silence takes two seconds to detect, so both HTTP versions run at the same
// time.

import { expect, test } from "vitest";
import type { ConnectionState } from "../../src/client/index.ts";
import { startCuttingProxy } from "../support/network/cutting-proxy.ts";
import { untilFound } from "../support/until-found.ts";
import { collect } from "./collect.ts";
import { talk, talkOnPipes } from "./direct-run.ts";
import { agentForFile } from "./file-agent.ts";
import { connectTo, type HttpVersion, httpVersions } from "./test-client.ts";

// A silent connection stays attached at the agent, and holds up its successor until the agent
// disconnects it.
const agent = agentForFile({ args: ["--stall-timeout", "1s"] });

overEach("output arrives complete over connections that go silent", async (httpVersion) => {
  const proxy = await startCuttingProxy({
    port: agent.port,
    kinds: ["silent"],
    maxCuts: 1,
    afterBytes: { min: 2000, max: 100_000 },
  });
  const states: ConnectionState[] = [];
  const process = await connectTo(proxy.url, { httpVersion }).start(
    { cmd: "bash", args: ["-c", talk], output: { replayBytes: 4 * 1024 * 1024 } },
    { onState: (state) => states.push(state) },
  );
  const { sha256, gaps, exit } = await collect(process);
  expect({ gaps, stdout: sha256.stdout, stderr: sha256.stderr }).toEqual({ gaps: [], ...talkOnPipes() });
  expect(exit).toMatchObject({ exitCode: 0 });
  expect(proxy.cuts.silent).toBe(1);
  const reasons = states.flatMap((state) => (state.kind === "reconnecting" ? [state.reason.message] : []));
  expect(reasons[0]).toMatch(/^the agent was silent for 2000 ms$|no answer to a ping/);
});

overEach(
  "input arrives once over connections that go silent after they delivered it",
  async (httpVersion) => {
    const proxy = await startCuttingProxy({
      port: agent.port,
      kinds: ["silent"],
      // After the request, before the end of its answer.
      afterBytes: { min: 300, max: 900 },
      maxCuts: 1,
    });
    const process = await connectTo(proxy.url, { httpVersion }).start({ cmd: "cat", stdin: true });
    const output = collect(process);
    for (const word of ["one ", "two ", "three"]) await process.write(word);
    await process.closeStdin();
    expect((await output).text.stdout).toBe("one two three");
    expect(proxy.cuts.silent).toBe(1);
  },
);

overEach(
  "the silent connection of an idle process is replaced before there is output",
  async (httpVersion) => {
    const proxy = await startCuttingProxy({ port: agent.port });
    const states: ConnectionState[] = [];
    const process = await connectTo(proxy.url, { httpVersion }).start(
      { cmd: "bash", args: ["-c", "echo hello; read x; exit 5"], stdin: true },
      { onState: (state) => states.push(state) },
    );
    const iterator = process[Symbol.asyncIterator]();
    await iterator.next();
    const end = iterator.next();
    proxy.cut("silent");
    await untilFound(
      () => states.filter(({ kind }) => kind === "connected")[1],
      () => states,
    );
    await process.write("\n");
    await expect(end).resolves.toMatchObject({ done: true });
    await expect(process.exit).resolves.toMatchObject({ exitCode: 5 });
  },
);

test("a connection with keepalives is kept, however long there is no output", async () => {
  const states: ConnectionState[] = [];
  const client = connectTo(agent.url);
  const process = await client.start({ cmd: "cat", stdin: true }, { onState: (state) => states.push(state) });
  const next = process[Symbol.asyncIterator]().next();
  // Longer than it may be silent.
  await client.start({ cmd: "sleep", args: ["2.5"] }).then((sleep) => sleep.discardOutput());
  await process.write("still there");
  await expect(next).resolves.toMatchObject({ value: { kind: "stdout", offset: 0 } });
  expect(states).toEqual([{ kind: "connected", offset: 0 }]);
});

function overEach(name: string, run: (httpVersion: HttpVersion) => Promise<void>): void {
  test(name, async () => {
    await Promise.all(httpVersions.map(run));
  });
}
