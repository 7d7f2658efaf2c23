// Answers that are complete in the agent, while their clients have not read them, at the moment of an upgrade: over plain
// HTTP/1.1 they arrive, whatever part of them waits. Over a Unix socket, because the kernel accepts little there.

import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { runCommand } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { upgrade } from "../support/agent/upgrade.ts";
import { envelope } from "../support/clients/envelopes.ts";
import { openConnection, type RawConnection, requestBytes } from "../support/clients/raw-http.ts";
import { receive } from "../support/clients/received-events.ts";
import { eventually } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { volume } from "../support/volume.ts";

vi.setConfig({ testTimeout: volume(90_000, 1_800_000) });

const HEALTH = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
const sh = (script: string) => ({ cmd: "sh", args: ["-c", script] });

interface OnSocket {
  /** Leads to its Unix socket. */
  readonly url: string;
  readonly path: string;
  stderr(): string;
}

async function startOnSocket(): Promise<OnSocket> {
  const path = join(createTempFolder(), "socket");
  const { waitFor, stderr } = runCommand({
    args: ["serve", "--listen", `unix:${path}`],
    env: { HOLDFAST_SHUTDOWN_GRACE: "500ms" },
  });
  await waitFor("stdout", /listening on unix:/);
  const forwarder = createServer((from) => {
    const to = connect(path);
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const)
      one
        .on("error", () => other.destroy())
        .on("close", () => other.destroy())
        .pipe(other);
  });
  await new Promise<void>((resolve) => forwarder.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void forwarder.close());
  const { port } = forwarder.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, path, stderr };
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly trailers: string;
}

/** Of a response that is not HEAD's. Node chooses where the chunks begin: only their contents count. */
function answersIn(text: string): Answer[] {
  const answers: Answer[] = [];
  for (let at = 0; at < text.length; ) {
    const bodyAt = text.indexOf("\r\n\r\n", at) + 4;
    if (bodyAt < 4) return answers;
    const head = text.slice(at, bodyAt);
    const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]);
    const body = /^transfer-encoding: chunked/im.test(head)
      ? chunksFrom(text, bodyAt)
      : bytesFrom(text, bodyAt, Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0));
    if (body === undefined) return answers;
    answers.push({ status, body: body.data, trailers: body.trailers });
    at = body.end;
  }
  return answers;
}

interface Body {
  readonly data: string;
  readonly trailers: string;
  readonly end: number;
}

function bytesFrom(text: string, at: number, length: number): Body | undefined {
  const end = at + length;
  return end > text.length ? undefined : { data: text.slice(at, end), trailers: "", end };
}

/** Undefined until it is complete. */
function chunksFrom(text: string, from: number): Body | undefined {
  let data = "";
  for (let at = from; ; ) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const length = Number.parseInt(text.slice(at, lineEnd), 16);
    const start = lineEnd + 2;
    if (length > 0) {
      data += text.slice(start, start + length);
      at = start + length + 2;
      continue;
    }
    const end = text.indexOf("\r\n\r\n", lineEnd);
    return end < 0 ? undefined : { data, trailers: text.slice(start, Math.max(start, end)), end: end + 4 };
  }
}

function untilAnswers(connection: RawConnection, count: number): Promise<Answer[]> {
  return connection.until(`${count} answers`, (received) => {
    const answers = answersIn(received.toString("latin1"));
    return answers.length < count ? undefined : answers;
  });
}

async function metric({ url }: OnSocket, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics/prometheus`)).text();
  return Number(new RegExp(`^${name} (\\d+)`, "m").exec(text)?.[1]);
}

const PROTOCOLS = ["application/connect+json", "application/grpc-web+json", "application/grpc+json"];
/** So many answers are more than the kernel accepts. */
const STREAMS = 60;
/** Other bytes in front: another part of an answer waits. */
const ALIGNMENTS = 3;

/** A Connect to an ended process, whose answer is a start event, its output and the end. */
function connectRequest(type: string): Buffer {
  const message = { process: { tag: "ended" }, fromOffset: "0", offsets: true };
  return requestBytes({
    path: "/process.Process/Connect",
    headers: { "content-type": type, te: "trailers" },
    body: envelope(JSON.stringify(message)),
  });
}

test("whatever part of an answer waits for a client that does not read, all answers arrive", async () => {
  const agent = await startOnSocket();
  const { path } = agent;
  const client = plainClient(agent.url);
  await receive(
    client.start({
      process: sh("head -c 4000 /dev/zero | tr '\\0' x"),
      tag: "ended",
      retainEndedMs: 600_000n,
    }),
  ).ended();
  const stalled = await Promise.all(
    PROTOCOLS.flatMap((type) =>
      Array.from({ length: ALIGNMENTS }, async (_, alignment) => {
        const connection = await openConnection(path);
        connection.socket.pause();
        connection.send(Buffer.from(HEALTH.repeat(alignment)));
        connection.send(Buffer.concat(Array.from({ length: STREAMS }, () => connectRequest(type))));
        return { connection, type, alignment };
      }),
    ),
  );
  let attached = -1;
  let before = -1;
  await eventually(
    "no client accepts more",
    async () => {
      before = attached;
      attached = await metric(agent, "holdfast_attached_total");
      return attached > stalled.length && attached === before;
    },
    () => `${attached} streams, ${before} before`,
    60_000,
  );
  expect(attached).toBeLessThan(stalled.length * STREAMS);
  await upgrade(agent);
  const wholes = new Map<string, Answer | undefined>();
  for (const type of PROTOCOLS) {
    const reference = await openConnection(path);
    reference.send(connectRequest(type));
    wholes.set(type, (await untilAnswers(reference, 1))[0]);
    reference.cut();
    expect(wholes.get(type)?.body).toContain('"end"');
  }
  for (const { connection, type, alignment } of stalled) {
    connection.socket.resume();
    const answers = await untilAnswers(connection, alignment + STREAMS);
    expect(answers.slice(0, alignment).map(({ status }) => status)).toEqual(Array(alignment).fill(204));
    for (const answer of answers.slice(alignment)) expect(answer).toEqual(wholes.get(type));
    connection.send(HEALTH);
    await untilAnswers(connection, alignment + STREAMS + 1);
    connection.cut();
  }
});

/** One request, of whose answer the client reads nothing before the upgrade. */
async function unread({ path }: OnSocket, request: Buffer): Promise<RawConnection> {
  const connection = await openConnection(path);
  connection.socket.pause();
  connection.send(request);
  return connection;
}

test.each([
  ...PROTOCOLS.map((type) => ({ type, when: "before an upgrade", isContinued: false })),
  { type: "application/connect+json", when: "between two upgrades", isContinued: true },
])(
  "the end of a stream of $type whose time is up $when arrives behind its last output",
  async ({ type, isContinued }) => {
    const agent = await startOnSocket();
    const flood = sh("seq 1 1000000; sleep 1000");
    const started = receive(
      plainClient(agent.url).start({ process: flood, tag: "flood", output: { detached: 2 } }),
    );
    await started.started();
    const message = { process: { tag: "flood" }, fromOffset: "0", lag: "LAG_SKIP" };
    const connection = await unread(
      agent,
      requestBytes({
        path: "/process.Process/Connect",
        headers: {
          "content-type": type,
          te: "trailers",
          "connect-timeout-ms": "1500",
          "grpc-timeout": "1500m",
        },
        body: envelope(JSON.stringify(message)),
      }),
    );
    await eventually(
      "attached",
      async () => (await metric(agent, "holdfast_attached_total")) === 2,
      agent.stderr,
    );
    if (isContinued) await upgrade(agent);
    await eventually(
      "the time is up",
      async () => (await metric(agent, "holdfast_subscribers")) === 1,
      agent.stderr,
    );
    await upgrade(agent);
    await upgrade(agent);
    connection.socket.resume();
    const [answer] = await untilAnswers(connection, 1);
    const { data, trailers } = { data: answer?.body ?? "", trailers: answer?.trailers ?? "" };
    expect(data.slice(-200) + trailers).toMatch(/deadline_exceeded|grpc-status: 4(\r\n|$)/);
    connection.send(HEALTH);
    await untilAnswers(connection, 2);
    connection.cut();
  },
);

test("a whole answer of a call arrives at a client that reads it after two upgrades, and requests behind it are answered", async () => {
  const agent = await startOnSocket();
  const args = Array.from({ length: 10 }, () => "x".repeat(100_000));
  await receive(
    plainClient(agent.url).start({ process: { cmd: "sh", args: ["-c", "sleep 1000", ...args] } }),
  ).started();
  const list = requestBytes({
    path: "/process.Process/List",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
  const closing = requestBytes({
    path: "/process.Process/List",
    headers: { "content-type": "application/json", connection: "close" },
    body: "{}",
  });
  const reference = await openConnection(agent.path);
  reference.send(list);
  const [whole] = await untilAnswers(reference, 1);
  const connection = await unread(agent, Buffer.concat([list, list, Buffer.from(HEALTH)]));
  const last = await unread(agent, closing);
  await eventually(
    "both are answered",
    async () => (await metric(agent, "holdfast_request_bytes")) >= 2_000_000,
    agent.stderr,
  );
  await upgrade(agent);
  await upgrade(agent);
  connection.socket.resume();
  last.socket.resume();
  const answers = await untilAnswers(connection, 3);
  expect(answers.map(({ status, body }) => [status, body.length])).toEqual([
    [200, whole?.body.length],
    [200, whole?.body.length],
    [204, 0],
  ]);
  expect(await untilAnswers(last, 1)).toEqual([whole]);
  await last.closed();
  connection.cut();
  reference.cut();
});
