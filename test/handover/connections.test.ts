// The connections of carried streams: what comes before and behind the stream stays right in the next image.

import { expect, test, vi } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { upgrade } from "../support/agent/upgrade.ts";
import { envelope } from "../support/clients/envelopes.ts";
import { openConnection, type RawConnection, requestBytes } from "../support/clients/raw-http.ts";
import { volume } from "../support/volume.ts";

vi.setConfig({ testTimeout: volume(90_000, 1_800_000) });

const HEALTH = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
const kept = { selector: { case: "tag" as const, value: "kept" } };

/** A connection on which a Start of `cat` streams; `more` are headers of the request. */
async function streaming(
  agent: RunningAgent,
  more: Readonly<Record<string, string>> = {},
): Promise<RawConnection> {
  const connection = await openConnection(agent.port);
  const message = { process: { cmd: "cat" }, stdin: true, tag: "kept" };
  connection.send(
    requestBytes({
      path: "/process.Process/Start",
      headers: { "content-type": "application/connect+json", ...more },
      body: envelope(JSON.stringify(message)),
    }),
  );
  await untilText(connection, '"start"');
  return connection;
}

function untilText(connection: RawConnection, text: string): Promise<true> {
  return connection.until(text, (bytes) => bytes.includes(text) || undefined);
}

async function endProcess({ url }: RunningAgent): Promise<void> {
  await plainClient(url).closeStdin({ process: kept });
}

/** Node chooses where the chunks begin. */
function chunkedBody(response: string): { readonly data: string; readonly trailers: string } {
  let data = "";
  for (let at = response.indexOf("\r\n\r\n") + 4; ; ) {
    const [line = "", size = ""] = /^([0-9a-f]+)\r\n/.exec(response.slice(at)) ?? [];
    const from = at + line.length;
    const to = from + Number.parseInt(size, 16);
    if (line === "" || to === from) return { data, trailers: response.slice(from) };
    data += response.slice(from, to);
    at = to + 2;
  }
}

test.each(["application/grpc+json", "application/grpc-web+json", "application/connect+json"])(
  "a carried stream of %s ends as one that was not carried",
  async (type) => {
    const agent = await startAgent();
    const headers = { "content-type": type, te: "trailers", connection: "close" };
    const ends: string[] = [];
    for (const isCarried of [false, true]) {
      const connection = await streaming(agent, headers);
      if (isCarried) await upgrade(agent);
      await endProcess(agent);
      await connection.closed();
      const { data, trailers } = chunkedBody(connection.received().toString("latin1"));
      ends.push(`${data.slice(data.indexOf('"end"'))} ${trailers}`);
    }
    expect(ends[0]).toMatch(/"exit status 0".*\r\n$/s);
    expect(ends[1]).toBe(ends[0]);
  },
);

test("a carried stream of gRPC over HTTP/1.1 that fails has its error in the trailers", async () => {
  const agent = await startAgent();
  const connection = await streaming(agent, {
    "content-type": "application/grpc+json",
    "grpc-timeout": "4S",
    connection: "close",
  });
  await upgrade(agent);
  await connection.closed();
  expect(connection.received().toString("latin1")).toMatch(
    /\r\n0\r\ngrpc-status: 4\r\ngrpc-message: process \d+ was killed: its time limit passed\r\n\r\n$/,
  );
});

test("a connection that its client asked to close closes after a carried stream, also after two upgrades", async () => {
  const agent = await startAgent();
  const connection = await streaming(agent, { connection: "close" });
  await upgrade(agent);
  await upgrade(agent);
  await endProcess(agent);
  await connection.closed();
  expect(connection.received().toString("latin1")).toMatch(/\{\}\r\n0\r\n\r\n$/);
});

test("requests that were sent ahead of a stream are answered after it, also those between two upgrades", async () => {
  const agent = await startAgent();
  const connection = await streaming(agent);
  connection.send(HEALTH);
  connection.send("GET /envs?first HTTP/1.1\r\nHost: localhost\r\nX-Other: 1\r\n\r\n");
  await upgrade(agent);
  connection.send(HEALTH);
  await upgrade(agent);
  await endProcess(agent);
  const text = await connection.until("three answers", (bytes) => {
    const received = bytes.toString("latin1");
    return received.split("HTTP/1.1 ").length === 5 ? received : undefined;
  });
  expect(text.match(/(?<=HTTP\/1\.1 )\d+/g)).toEqual(["200", "204", "200", "204"]);
  connection.cut();
});

const INIT = JSON.stringify({ envVars: { A: "x".repeat(100_000) } });
const CHUNKED = "POST /init HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";

test.each([
  ["is complete", requestBytes({ path: "/init", body: '{"envVars":{"A":"1"}}' }), ""],
  ["has arrived in part", requestBytes({ path: "/init", body: INIT }).subarray(0, 1000), INIT],
  ["has not arrived", requestBytes({ path: "/init", body: INIT }).subarray(0, -INIT.length), INIT],
  ["has chunks", `${CHUNKED}15\r\n{"envVars":{"A":"1"}}\r\n0\r\n\r\n`, ""],
])(
  "a stream with a request behind it whose body %s continues, and the request is answered",
  async (_, ahead, whole) => {
    const agent = await startAgent();
    const connection = await streaming(agent);
    connection.send(HEALTH);
    connection.send(ahead);
    await upgrade(agent);
    await upgrade(agent);
    const sent = Buffer.byteLength(ahead) - Buffer.from(ahead).indexOf("\r\n\r\n") - 4;
    connection.send(`${whole.slice(sent)}${HEALTH}`);
    await endProcess(agent);
    const text = await connection.until("four answers", (bytes) => {
      const received = bytes.toString("latin1");
      return received.split("HTTP/1.1 ").length === 5 ? received : undefined;
    });
    expect(text.match(/(?<=HTTP\/1\.1 )\d+/g)).toEqual(["200", "204", "204", "204"]);
    const { A } = (await (await fetch(`${agent.url}/envs`)).json()) as { A: string };
    expect(A).toBe(whole === "" ? "1" : "x".repeat(100_000));
    connection.cut();
  },
);

test.each([
  ["the beginning of a request", "GET /health HTTP/1.1\r\nHo"],
  ["a part of a body in chunks", `${CHUNKED}15\r\n{"envVars"`],
])("a stream with %s behind it is cut, and not mixed with the rest", async (_, ahead) => {
  const agent = await startAgent();
  const connection = await streaming(agent);
  connection.send(ahead);
  await upgrade(agent);
  await connection.closed();
  expect(connection.received().toString("latin1")).not.toContain('"end"');
});

test("a connection with half a request in the packet of the one before is closed, and not given the rest as a request", async () => {
  const agent = await startAgent();
  const connection = await openConnection(agent.port);
  connection.send(`${HEALTH}${HEALTH.slice(0, 20)}`);
  await untilText(connection, "HTTP/1.1 204");
  await upgrade(agent);
  await connection.closed();
  expect(connection.received().toString("latin1")).not.toContain("400");
});

test("a connection that waits for its next request has its whole time for that, also after an upgrade and a carried stream", async () => {
  const agent = await startAgent({ args: ["--header-timeout", "300ms"] });
  const silent = await openConnection(agent.port);
  silent.send(HEALTH);
  await untilText(silent, "HTTP/1.1 204");
  const streamed = await streaming(agent);
  const untouched = await openConnection(agent.port);
  await upgrade(agent);
  await endProcess(agent);
  await untilText(streamed, "0\r\n\r\n");
  // The limit of a connection without its first bytes has passed then for all of them.
  const late = await openConnection(agent.port);
  await Promise.all([untouched.closed(), late.closed()]);
  for (const connection of [silent, streamed]) {
    connection.send(`${HEALTH}GET /health HTTP/1.1\r\nHo`);
    // The next request has begun, and does not arrive in time.
    await untilText(connection, "HTTP/1.1 408");
    const answers = connection
      .received()
      .toString("latin1")
      .match(/HTTP\/1\.1 204/g);
    expect(answers).toHaveLength(connection === silent ? 2 : 1);
  }
});
