// Connections that send half of something and then stop. The agent closes them after `--header-timeout`,
// and serves the others meanwhile.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { expectCommandRuns } from "../support/agent/surviving-agent.ts";
import { envelope } from "../support/clients/envelopes.ts";
import { END_STREAM, frame, frameType, HELLO, PREFACE, postBlock } from "../support/clients/http2-frames.ts";
import { openConnection, type RawConnection, rawCall } from "../support/clients/raw-http.ts";

let agent: RunningAgent;
/** For bytes that once stopped an agent, so that the other tests do not fail with them. */
let other: RunningAgent;

beforeAll(async () => {
  agent = await startAgent({ args: ["--header-timeout", "1s"] });
  other = await startAgent({ args: ["--header-timeout", "1s"] });
});
afterAll(async () => {
  await agent.stop();
  await other.stop();
});

/** The header timeout, and a sweep. */
const CLOSED_WITHIN_MS = 10_000;
const HEAD = "POST /process.Process/List HTTP/1.1\r\nHost: localhost\r\n";

describe.concurrent("a connection is closed by the header timeout after it has sent", () => {
  test.each([
    ["nothing", ""],
    ["half a request line", "POST /process.Proc"],
    ["half its headers", `${HEAD}Content-Ty`],
    ["all of its headers but the empty line", `${HEAD}Content-Length: 2\r\n`],
    ["half of HTTP/2's preface", PREFACE.subarray(0, 16)],
    ["HTTP/2's preface and nothing else", PREFACE],
    [
      "a truncated HTTP/2 frame",
      Buffer.concat([HELLO, frame(frameType.headers, 0, 1, postBlock("/")).subarray(0, 20)]),
    ],
    [
      "HTTP/2 headers without their end",
      Buffer.concat([HELLO, frame(frameType.headers, END_STREAM, 1, postBlock("/"))]),
    ],
  ])("%s", async (_, bytes) => {
    const connection = await openConnection(agent.port);
    try {
      connection.send(bytes);
      await connection.closed(CLOSED_WITHIN_MS);
    } finally {
      connection.cut();
    }
  });

  test("a header at ten bytes a second", async () => {
    const connection = await openConnection(agent.port);
    connection.send(`${HEAD}X: `);
    const timer = setInterval(() => connection.send("y"), 100);
    try {
      await connection.closed(CLOSED_WITHIN_MS);
    } finally {
      clearInterval(timer);
      connection.cut();
    }
  });

  test("half a request after a whole one", async () => {
    const connection = await openConnection(agent.port);
    try {
      connection.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
      expect(await connection.response()).toMatchObject({ status: 204 });
      connection.send(HEAD);
      await connection.closed(CLOSED_WITHIN_MS);
    } finally {
      connection.cut();
    }
  });

  test.each(["P", "PR", "PRI"])(
    "%s, which can be the start of POST or of HTTP/2's preface",
    async (bytes) => {
      const connection = await openConnection(other.port);
      try {
        connection.send(bytes);
        await connection.closed(CLOSED_WITHIN_MS);
      } finally {
        connection.cut();
      }
    },
  );
});

test("after all these connections commands run", async () => {
  await expectCommandRuns(agent.port);
  await expectCommandRuns(other.port);
});

test("a request whose first bytes arrive one by one is answered, and others are served meanwhile", async () => {
  const apart = await startAgent();
  const connection = await openConnection(apart.port);
  try {
    const bytes = `${HEAD}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;
    for (const byte of bytes.slice(0, 6)) {
      connection.send(byte);
      // Once this is answered, the agent has seen the byte.
      expect(await rawCall(apart.port, { method: "GET", path: "/health" })).toMatchObject({ status: 204 });
    }
    connection.send(bytes.slice(6));
    expect(await connection.response()).toMatchObject({ status: 200 });
  } finally {
    connection.cut();
  }
});

test("after a request that was refused before its end the connection is closed, or the next one is answered", async () => {
  const connection = await openConnection(agent.port);
  try {
    const body = Buffer.concat([envelope("", 0, 2 ** 32 - 1), Buffer.alloc(8_000_000)]);
    connection.send("POST /process.Process/StreamInput HTTP/1.1\r\nHost: localhost\r\n");
    connection.send(`Content-Type: application/connect+json\r\nContent-Length: ${body.length}\r\n\r\n`);
    connection.send(body);
    connection.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await connection.until("the refusal", (received) => received.includes("resource_exhausted") || undefined);
    await Promise.any([connection.closed(), nextAnswer(connection)]);
  } finally {
    connection.cut();
  }
});

function nextAnswer(connection: RawConnection): Promise<true> {
  return connection.until(
    "an answer to /health",
    (received) => received.includes("HTTP/1.1 204") || undefined,
  );
}
