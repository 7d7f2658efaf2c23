// Frames that are not valid HTTP/2. After a connection error the agent sends GOAWAY or closes the
// connection. After a stream error the next request on the same connection is answered. In both cases
// nothing is left in the agent once the client is gone.

import { test } from "vitest";
import { survivingAgent } from "../support/agent/surviving-agent.ts";
import {
  END_HEADERS,
  END_STREAM,
  type Frame,
  frame,
  framesIn,
  frameType,
  frameTypes,
  HELLO,
  headerBlock,
  PADDED,
  PREFACE,
  postBlock,
} from "../support/clients/http2-frames.ts";
import { openConnection } from "../support/clients/raw-http.ts";

const agent = survivingAgent();

const LIST = "/process.Process/List";

const { settings, headers, data, ping, reset, windowUpdate, goaway, continuation, pushPromise } = frameType;
const request = postBlock(LIST, [["content-type", "application/proto"]]);
const ALL = END_STREAM | END_HEADERS;

/** Connection errors of RFC 9113. */
const connectionErrors: readonly (readonly [string, Buffer])[] = [
  ["HTTP/1.1 after the preface", Buffer.concat([PREFACE, Buffer.from("GET / HTTP/1.1\r\n\r\n")])],
  ["0xff after the preface", Buffer.concat([PREFACE, Buffer.alloc(1000, 0xff)])],
  ["a preface with wrong bytes at its end", Buffer.from("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")],
  ["PRI as a method of HTTP/1.1", Buffer.from(`PRI ${LIST} HTTP/1.1\r\nHost: localhost\r\n\r\n`)],
  ["settings of 5 bytes", Buffer.concat([PREFACE, frame(settings, 0, 0, Buffer.alloc(5))])],
  ["settings of a stream", Buffer.concat([HELLO, frame(settings, 0, 1)])],
  [
    "a window of 2^32-1",
    Buffer.concat([HELLO, frame(settings, 0, 0, Buffer.from([0, 4, 255, 255, 255, 255]))]),
  ],
  ["10,000 settings", Buffer.concat([HELLO, ...Array.from({ length: 10_000 }, () => frame(settings, 0, 0))])],
  ["a ping of 7 bytes", Buffer.concat([HELLO, frame(ping, 0, 0, Buffer.alloc(7))])],
  [
    "20,000 pings",
    Buffer.concat([HELLO, ...Array.from({ length: 20_000 }, () => frame(ping, 0, 0, Buffer.alloc(8)))]),
  ],
  ["a reset of an idle stream", Buffer.concat([HELLO, frame(reset, 0, 5, Buffer.alloc(4))])],
  ["a window update of 0", Buffer.concat([HELLO, frame(windowUpdate, 0, 0, Buffer.alloc(4))])],
  [
    "a window beyond 2^31-1",
    Buffer.concat([HELLO, frame(windowUpdate, 0, 0, Buffer.from([0x7f, 255, 255, 255]))]),
  ],
  ["data of an idle stream", Buffer.concat([HELLO, frame(data, END_STREAM, 1, Buffer.alloc(8))])],
  ["a request on an even stream", Buffer.concat([HELLO, frame(headers, ALL, 2, request)])],
  ["a push from the client", Buffer.concat([HELLO, frame(pushPromise, END_HEADERS, 1, Buffer.alloc(8))])],
  ["a frame of 16 MiB", Buffer.concat([HELLO, Buffer.from([255, 255, 255, 0, 0, 0, 0, 0, 1])])],
  [
    "a continuation without headers before it",
    Buffer.concat([HELLO, frame(continuation, END_HEADERS, 1, Buffer.alloc(8))]),
  ],
  ["headers of garbage", Buffer.concat([HELLO, frame(headers, ALL, 1, Buffer.alloc(20, 0xff))])],
  ["more padding than frame", Buffer.concat([HELLO, frame(headers, ALL | PADDED, 1, Buffer.from([255, 0]))])],
  ["goaway", Buffer.concat([HELLO, frame(goaway, 0, 0, Buffer.alloc(8))])],
  [
    "3,000 continuations",
    Buffer.concat([
      HELLO,
      frame(headers, END_STREAM, 1, request),
      ...Array.from({ length: 3_000 }, () =>
        frame(continuation, 0, 1, headerBlock([["x", "y".repeat(100)]])),
      ),
    ]),
  ],
];

test.each(connectionErrors)("h2c: %s ends the connection", async (_, bytes) => {
  const connection = await openConnection(agent.port);
  try {
    connection.send(bytes);
    // GOAWAY, or an end without one.
    await Promise.race([
      connection.closed(),
      connection.until("a goaway", (received) => frameTypes(received).includes(goaway) || undefined),
    ]);
  } finally {
    connection.cut();
  }
});

/** Stream errors: the next request on the same connection is answered. */
test.each([
  ["no headers", frame(headers, ALL, 1)],
  [
    "no path",
    frame(
      headers,
      ALL,
      1,
      headerBlock([
        [":method", "POST"],
        [":scheme", "http"],
      ]),
    ),
  ],
  ["a path of UTF-8", frame(headers, ALL, 1, postBlock("/\u00e2\u009c\u0093"))],
  ["an upper-case header", frame(headers, ALL, 1, postBlock(LIST, [["X-A", "1"]]))],
  ["a Connection header", frame(headers, ALL, 1, postBlock(LIST, [["connection", "close"]]))],
  ["a NUL in a header", frame(headers, ALL, 1, postBlock(LIST, [["x-a", "a\0b"]]))],
  ["a line feed in a header", frame(headers, ALL, 1, postBlock(LIST, [["x-a", "a\nb"]]))],
  [
    "CONNECT",
    frame(
      headers,
      ALL,
      1,
      headerBlock([
        [":method", "CONNECT"],
        [":authority", "x:80"],
      ]),
    ),
  ],
  [
    "a bad authority",
    frame(
      headers,
      ALL,
      1,
      headerBlock([
        [":method", "POST"],
        [":scheme", "http"],
        [":authority", "["],
        [":path", LIST],
      ]),
    ),
  ],
  [
    "no authority",
    frame(
      headers,
      ALL,
      1,
      headerBlock([
        [":method", "POST"],
        [":scheme", "http"],
        [":path", LIST],
      ]),
    ),
  ],
  [
    "less body than its length",
    Buffer.concat([
      frame(
        headers,
        END_HEADERS,
        1,
        postBlock(LIST, [
          ["content-type", "application/proto"],
          ["content-length", "5"],
        ]),
      ),
      frame(data, END_STREAM, 1, Buffer.alloc(1)),
    ]),
  ],
  [
    "headers where trailers are due",
    Buffer.concat([
      frame(headers, END_HEADERS, 1, request),
      frame(headers, END_HEADERS, 1, headerBlock([["x", "y"]])),
    ]),
  ],
  [
    "a reset at once",
    Buffer.concat([frame(headers, ALL, 1, request), frame(reset, 0, 1, Buffer.from([0, 0, 0, 8]))]),
  ],
  ["a frame of unknown type", frame(0x77, 0xff, 1, Buffer.alloc(100))],
])("h2c: %s fails one stream only", async (_, bytes) => {
  const connection = await openConnection(agent.port);
  try {
    connection.send(Buffer.concat([HELLO, bytes, frame(headers, ALL, 3, request)]));
    await connection.until("an answer on stream 3", (received) => isAnswered(received, 3) || undefined);
  } finally {
    connection.cut();
  }
});

/** True if response headers arrived on `stream` and the first one is `:status: 200` (0x88 in any table). */
function isAnswered(received: Buffer, stream: number): boolean {
  const isHead = (one: Frame) => one.type === headers && one.stream === stream && one.payload.length > 0;
  return framesIn(received).find(isHead)?.payload[0] === 0x88;
}

test("h2c: after 300 requests that are reset at once the next one is answered, or the connection ends", async () => {
  const connection = await openConnection(agent.port);
  try {
    const streams = Array.from({ length: 300 }, (_, index) => 2 * index + 1);
    const storm = streams.flatMap((stream) => [
      frame(headers, ALL, stream, request),
      frame(reset, 0, stream, Buffer.from([0, 0, 0, 8])),
    ]);
    connection.send(Buffer.concat([HELLO, ...storm, frame(headers, ALL, 601, request)]));
    // A GOAWAY is also right: HTTP/2 libraries take such a storm for an attack.
    await connection.until(
      "an answer to the last, or a goaway",
      (received) => isAnswered(received, 601) || frameTypes(received).includes(goaway) || undefined,
    );
  } finally {
    connection.cut();
  }
});
