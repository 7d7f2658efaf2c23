// Clients that disconnect, seen from inside the agent: they leave no subscriber, timer or listener, and their processes
// continue to run. test/wire/vanish.test.ts shows the same from outside, with a thousand clients.

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { type ClientHttp2Session, connect as connectHttp2, constants } from "node:http2";
import type { Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createFileAccess, Watchers } from "../../src/filesystem/index.ts";
import { startServer } from "../../src/http/index.ts";
import { agentDefaults, type Process, type ProcessTable } from "../../src/process/index.ts";
import { ClientActivity, createRpcAnswer, ServingState } from "../../src/rpc/index.ts";
import { agentTimers } from "../support/agent/agent-timers.ts";
import { createTable, type LogLine } from "../support/agent/process-table.ts";
import { envelope } from "../support/clients/envelopes.ts";
import { openConnection, requestBytes } from "../support/clients/raw-http.ts";
import { eventually } from "../support/proc/proc.ts";

const START = "/process.Process/Start";
const TYPE = { "content-type": "application/connect+json" };

interface Server {
  readonly port: number;
  readonly table: ProcessTable;
  /** Errors that the agent logs as its own. */
  readonly errors: readonly object[];
}

async function serve(): Promise<Server> {
  const warnings: LogLine[] = [];
  // Ended processes are retained with a timer.
  const table = createTable({ retainEndedMs: 0, warnings });
  onTestFinished(() => {
    // A process that nobody reads blocks, and the agent says so.
    for (const { message } of warnings) expect(message).toMatch(/^process is blocked in a write/);
  });
  const silent = () => {
    // Other levels are not checked.
  };
  const errors: object[] = [];
  const logger = {
    debug: silent,
    info: silent,
    warn: silent,
    error: (fields: object) => void errors.push(fields),
  };
  const files = createFileAccess("agent");
  onTestFinished(() => files.close());
  const answer = createRpcAnswer({
    table,
    files,
    watchers: new Watchers({ maxWatchers: 0, retainMs: 0, reserve: () => undefined }),
    defaults: agentDefaults(),
    activity: new ClientActivity(logger),
    serving: new ServingState(),
    logger,
    fallback: (_, response) => void response.writeHead(204).end(),
  });
  const server = await startServer({
    addresses: [{ kind: "tcp", host: "127.0.0.1", port: 0 }],
    answer,
    logger,
  });
  onTestFinished(() => server.close(0));
  return { port: server.port, table, errors };
}

/** A client that can stop at any point of one call: a Start, unless another path is given. */
interface Client {
  /** Sends the request without its last `missing` bytes. */
  send(body: Buffer, missing: number): void;
  /** Resolves when `text` has been received. */
  received(text: string): Promise<void>;
  /** Stops reading. */
  pause(): void;
  leave(): void;
}

type Leaving = (port: number, path?: string) => Promise<Client>;

const ways: readonly (readonly [string, Leaving])[] = [
  ["by FIN", (port, path) => http1Client(port, "FIN", path)],
  ["by RST", (port, path) => http1Client(port, "RST", path)],
  ["by the reset of an h2c stream", (port, path) => http2Client(port, "stream", path)],
  ["by the end of an h2c connection", (port, path) => http2Client(port, "session", path)],
];

async function http1Client(port: number, how: "FIN" | "RST", path = START): Promise<Client> {
  const connection = await openConnection(port);
  const leave = () => (how === "FIN" ? connection.cut() : connection.reset());
  onTestFinished(leave);
  return {
    send: (body, missing) => {
      const bytes = requestBytes({ path, headers: TYPE, body });
      connection.send(bytes.subarray(0, bytes.length - missing));
    },
    received: async (text) => {
      await connection.until(text, (received) => received.includes(text) || undefined);
    },
    pause: () => void connection.socket.pause(),
    leave,
  };
}

async function http2Client(port: number, how: "stream" | "session", path = START): Promise<Client> {
  const session = await openSession(port);
  const stream = session.request({ ":method": "POST", ":path": path, ...TYPE });
  let text = "";
  stream.on("data", (bytes: Buffer) => {
    text = (text + bytes.toString("latin1")).slice(-100_000);
  });
  // The client itself resets it.
  stream.on("error", () => undefined);
  return {
    send: (body, missing) => {
      if (missing === 0) stream.end(body);
      else stream.write(body.subarray(0, body.length - missing));
    },
    received: (wanted) =>
      eventually(
        wanted,
        () => text.includes(wanted),
        () => text,
      ),
    pause: () => void stream.pause(),
    leave: () => {
      if (how === "session") return session.destroy();
      // An idle connection may have its own timer. After the end event the stream may be closed already.
      if (stream.closed && stream.destroyed) return session.close();
      stream.once("close", () => session.close());
      stream.close(constants.NGHTTP2_CANCEL);
    },
  };
}

async function openSession(port: number): Promise<ClientHttp2Session> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on("error", () => undefined);
  await new Promise((resolve) => session.once("connect", resolve));
  onTestFinished(() => session.destroy());
  return session;
}

function start(cmd: string, args: readonly string[] = []): Buffer {
  return envelope(JSON.stringify({ process: { cmd, args } }));
}

/** Everything that was sent before is read before this request is answered. */
async function untilReadUpToHere({ port }: Server): Promise<void> {
  const connection = await openConnection(port);
  connection.send(requestBytes({ method: "GET", path: "/health" }));
  await connection.until("an answer", (received) => received.includes(" 204 ") || undefined);
  connection.cut();
}

/** The only process. */
function only({ table }: Server): Process {
  const [process] = table.list();
  if (process === undefined) throw new Error("no process runs");
  return process;
}

async function untilNothingIsLeft({ table }: Server, timersBefore: number): Promise<void> {
  const left = () => ({
    subscribers: table.list().map(({ output }) => output.subscriberCount),
    // A process that no client reads has one timer for a minute, which looks whether it is blocked.
    timers: agentTimers() - timersBefore - table.list().filter(({ output }) => !output.isReading).length,
  });
  await eventually(
    "nothing left of the client",
    () => left().timers <= 0 && left().subscribers.every((count) => count === 0),
    left,
  );
}

for (const [way, openClient] of ways) {
  test(`a client that leaves ${way} before its request is complete has started nothing`, async () => {
    const server = await serve();
    const before = agentTimers();
    const client = await openClient(server.port);
    client.send(start("cat"), 3);
    await untilReadUpToHere(server);
    client.leave();
    await untilNothingIsLeft(server, before);
    expect(server.table.list()).toEqual([]);
  });

  test(`a client that leaves ${way} right after its request leaves at most a process that runs`, async () => {
    const server = await serve();
    const before = agentTimers();
    for (let i = 0; i < 5; i++) {
      const client = await openClient(server.port);
      client.send(start("cat"), 0);
      client.leave();
    }
    // This answer comes after all of those requests were read.
    const last = await http1Client(server.port, "FIN");
    last.send(start("cat"), 0);
    await last.received('"start"');
    last.leave();
    await untilNothingIsLeft(server, before);
    for (const process of server.table.list()) expect(process.isRunning).toBe(true);
  });

  test(`a client that leaves ${way} after the start event leaves a process that runs`, async () => {
    const server = await serve();
    const before = agentTimers();
    const client = await openClient(server.port);
    client.send(start("cat"), 0);
    await client.received('"start"');
    expect(only(server).output.subscriberCount).toBe(1);
    client.leave();
    await untilNothingIsLeft(server, before);
    expect(only(server).isRunning).toBe(true);
  });

  test(`a client that leaves ${way} with output unread leaves a process that waits`, async () => {
    const server = await serve();
    const before = agentTimers();
    const client = await openClient(server.port);
    client.send(start("yes"), 0);
    await client.received('"stdout"');
    client.pause();
    const { output } = only(server);
    let head = -1;
    const isFull = () => {
      const stands = !output.isReading && output.head === head;
      head = output.head;
      return stands;
    };
    await eventually("the window is full", isFull, () => ({ head, reading: output.isReading }));
    client.leave();
    await untilNothingIsLeft(server, before);
    expect(output.isReading).toBe(false);
    expect(only(server).isRunning).toBe(true);
  });

  test(`a client that leaves ${way} after the end event leaves nothing`, async () => {
    const server = await serve();
    const before = agentTimers();
    const client = await openClient(server.port);
    client.send(start("true"), 0);
    await client.received('"end"');
    client.leave();
    await untilNothingIsLeft(server, before);
    expect(server.table.list()).toEqual([]);
  });

  test(`a client that leaves ${way} before it has read the end event leaves nothing`, async () => {
    const server = await serve();
    const before = agentTimers();
    const client = await openClient(server.port);
    // More than the connection buffers, less than the window and the pipe hold.
    client.send(start("sh", ["-c", "printf x; read _; head -c 300000 /dev/zero"]), 0);
    await client.received('"stdout"');
    client.pause();
    await only(server).write("stdin", Buffer.from("\n"));
    await eventually(
      "it has ended",
      () => server.table.list().length === 0,
      () => server.table.list().length,
    );
    client.leave();
    await untilNothingIsLeft(server, before);
  });
}

for (const [way, openClient] of ways)
  test(`a client that leaves ${way} in the middle of a StreamInput causes no error of the agent`, async () => {
    const server = await serve();
    const before = agentTimers();
    const starting = await http1Client(server.port, "FIN");
    starting.send(start("cat"), 0);
    await starting.received('"start"');
    const client = await openClient(server.port, "/process.Process/StreamInput");
    const { pid } = only(server);
    const events = [
      { start: { process: { pid } } },
      { data: { input: { stdin: "aGk=" } } },
      { keepalive: {} },
    ];
    client.send(Buffer.concat(events.map((event) => envelope(JSON.stringify(event)))), 3);
    // The part that arrived is written; the agent waits for the rest.
    await starting.received('"aGk="');
    client.leave();
    starting.leave();
    await untilNothingIsLeft(server, before);
    expect(only(server).isRunning).toBe(true);
    expect(server.errors).toEqual([]);
  });

test("a client that leaves with a second stream queued behind its first leaves nothing of both", async () => {
  const server = await serve();
  const before = agentTimers();
  const connection = await openConnection(server.port);
  onTestFinished(() => connection.cut());
  for (const cmd of ["cat", "yes"])
    connection.send(requestBytes({ path: START, headers: TYPE, body: start(cmd) }));
  await untilReadUpToHere(server);
  // The second request waits for the first response, which never ends.
  expect(only(server).output.subscriberCount).toBe(1);
  connection.cut();
  await untilNothingIsLeft(server, before);
  expect(server.table.list()).toHaveLength(1);
});

/** The server's sockets, from now on. */
function watchServerSockets(): readonly Socket[] {
  const sockets: Socket[] = [];
  const note = (message: unknown) => void sockets.push((message as { socket: Socket }).socket);
  subscribe("net.server.socket", note);
  onTestFinished(() => void unsubscribe("net.server.socket", note));
  return sockets;
}

/** The number of listeners of each event on each of the server's sockets. */
function watchListeners(): () => string[] {
  const sockets = watchServerSockets();
  return () =>
    sockets.map((socket) =>
      socket
        .eventNames()
        .map((name) => `${String(name)} ${socket.listenerCount(name)}`)
        .sort()
        .join(", "),
    );
}

test("the agent has no timer once the last connection is closed", async () => {
  const server = await serve();
  const sockets = watchServerSockets();
  const before = agentTimers();
  const first = await openConnection(server.port);
  const second = await openConnection(server.port);
  await untilReadUpToHere(server);
  first.cut();
  await eventually(
    "one connection",
    () => sockets.filter((socket) => !socket.destroyed).length === 1,
    () => sockets.length,
  );
  expect(agentTimers()).toBeGreaterThan(before);
  const closed = new Promise((resolve) =>
    sockets.find((socket) => !socket.destroyed)?.once("close", resolve),
  );
  second.cut();
  await closed;
  await new Promise(setImmediate);
  expect(agentTimers()).toBe(before);
});

test("20 streams on one HTTP/1.1 connection leave no listener on it", async () => {
  const server = await serve();
  const listeners = watchListeners();
  const connection = await openConnection(server.port);
  onTestFinished(() => connection.cut());
  const before: string[][] = [];
  for (let i = 1; i <= 20; i++) {
    connection.send(requestBytes({ path: START, headers: TYPE, body: start("true") }));
    const ends = (received: Buffer) => received.toString("latin1").split("\r\n0\r\n\r\n").length - 1;
    await connection.until(`${i} ends`, (received) => ends(received) === i || undefined);
    before.push(listeners());
  }
  expect(before[0]).toHaveLength(1);
  expect(before.at(-1)).toEqual(before[0]);
});

test("20 streams on one h2c connection, ended or reset, leave no listener on it", async () => {
  const server = await serve();
  const listeners = watchListeners();
  const session = await openSession(server.port);
  const run = async (reset: boolean) => {
    const stream = session.request({ ":method": "POST", ":path": START, ...TYPE });
    stream.on("error", () => undefined);
    const closed = new Promise((resolve) => stream.once("close", resolve));
    let text = "";
    const started = new Promise<void>((resolve) => {
      stream.on("data", (bytes: Buffer) => {
        text += bytes.toString("latin1");
        if (text.includes('"start"')) resolve();
      });
    });
    stream.end(start(reset ? "cat" : "true"));
    await started;
    if (reset) stream.close(constants.NGHTTP2_CANCEL);
    await closed;
  };
  await run(false);
  const before = listeners();
  for (let i = 0; i < 20; i++) await run(i % 2 === 0);
  expect(before).toHaveLength(1);
  await eventually("the listeners of before", () => listeners().join() === before.join(), listeners);
});
