// Unmodified Connect-ES clients, the same scenarios over every protocol, HTTP version, codec and compression they have.

import { createHash } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Process, Signal, type StreamInputRequestSchema } from "../../src/gen/process_pb.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { killAll, untilNone } from "../support/agent/running-processes.ts";
import { type Received, receive } from "../support/clients/received-events.ts";
import { type OpenTransport, type TransportKind, transportKinds } from "../support/clients/transports.ts";

let agent: RunningAgent;

beforeAll(async () => {
  agent = await startAgent();
});
afterAll(() => agent.stop());
afterEach(() => killAll(agent.url));

const exactly = (pid: number) => ({ selector: { case: "pid" as const, value: pid } });
const stdin = (value: Uint8Array) => ({ input: { case: "stdin" as const, value } });
/** As the client's own `timeoutMs` would say it. */
function timeoutHeader({ name }: TransportKind, ms: number): Record<string, string> {
  return name.startsWith("Connect") ? { "Connect-Timeout-Ms": `${ms}` } : { "Grpc-Timeout": `${ms}m` };
}
const allBytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);

describe.each(transportKinds)("$name:", (kind: TransportKind) => {
  const open: OpenTransport[] = [];
  let client: Client<typeof Process>;
  /** On a connection of its own. */
  let other: Client<typeof Process>;

  beforeAll(() => {
    open.push(kind.open(agent.url), kind.open(agent.url));
    [client, other] = open.map(({ transport }) => createClient(Process, transport)) as [
      typeof client,
      typeof other,
    ];
  });
  afterAll(() => {
    for (const { close } of open) close();
  });

  async function startCat(): Promise<{ pid: number; received: Received }> {
    const received = receive(client.start({ process: { cmd: "cat" } }));
    return { pid: await received.started(), received };
  }

  test("a command's stdout and stderr arrive, then its end event, then the stream ends cleanly", async () => {
    const received = receive(
      client.start({ process: { cmd: "sh", args: ["-c", "printf out; printf err >&2; exit 3"] } }),
    );
    expect(await received.ended()).toMatchObject({
      exitCode: 3,
      exited: true,
      status: "exit status 3",
      error: "exit status 3",
    });
    expect(received.kinds).toEqual(["start", "data", "end"]);
    expect(received.text("stdout")).toBe("out");
    expect(received.text("stderr")).toBe("err");
  });

  test("a command that ends well has no error, and of 300 kB no byte is missing", async () => {
    const received = receive(
      client.start({ process: { cmd: "sh", args: ["-c", "head -c 300000 /dev/zero | tr '\\0' a"] } }),
    );
    const end = await received.ended();
    expect(end).toMatchObject({ exitCode: 0, exited: true, status: "exit status 0" });
    expect(end.error).toBeUndefined();
    expect(received.bytes("stdout").equals(Buffer.alloc(300_000, "a"))).toBe(true);
  });

  test("a running process is listed with what it was started with", async () => {
    const config = { cmd: "cat", args: ["-", "/dev/null"], envs: { A: "1", B: "é" }, cwd: "/" };
    const received = receive(client.start({ process: config, tag: "listed" }));
    const pid = await received.started();
    expect((await other.list({})).processes).toMatchObject([{ pid, tag: "listed", config }]);
  });

  test("a second client that connects gets the start event, the output from then on and the same end", async () => {
    const { pid, received } = await startCat();
    const second = receive(other.connect({ process: exactly(pid) }));
    expect(await second.started()).toBe(pid);
    await other.sendInput({ process: exactly(pid), input: stdin(Buffer.from("to both")) });
    await received.until(() => received.text("stdout") === "to both");
    await second.until(() => second.text("stdout") === "to both");
    await other.sendSignal({ process: exactly(pid), signal: Signal.SIGTERM });
    const end = { exitCode: -1, exited: false, status: "signal: terminated", error: "signal: terminated" };
    expect(await received.ended()).toMatchObject(end);
    expect(await second.ended()).toMatchObject(end);
  });

  test("input of all byte values arrives unchanged, and closed stdin is the end of file", async () => {
    const { pid, received } = await startCat();
    await client.sendInput({ process: exactly(pid), input: stdin(allBytes) });
    await client.sendInput({ process: exactly(pid), input: stdin(allBytes) });
    await client.closeStdin({ process: exactly(pid) });
    expect(await received.ended()).toMatchObject({ exitCode: 0 });
    expect(received.bytes("stdout").equals(Buffer.concat([allBytes, allBytes]))).toBe(true);
  });

  if (kind.streamsRequests)
    test("a stream of input arrives complete and in order", async () => {
      const received = receive(client.start({ process: { cmd: "sha256sum" } }));
      const pid = await received.started();
      const sum = createHash("sha256");
      await other.streamInput(
        (async function* (): AsyncGenerator<MessageInitShape<typeof StreamInputRequestSchema>> {
          yield { event: { case: "start", value: { process: exactly(pid) } } };
          for (let piece = 0; piece < 10; piece++) {
            const data = Buffer.alloc(33_333, `${piece} `);
            sum.update(data);
            yield { event: { case: "data", value: { input: stdin(data) } } };
            yield { event: { case: "keepalive", value: {} } };
          }
        })(),
      );
      await other.closeStdin({ process: exactly(pid) });
      await received.ended();
      expect(received.text("stdout")).toBe(`${sum.digest("hex")}  -\n`);
    });

  test("a terminal has the size of the Start, then that of the Update, and accepts input", async () => {
    const received = receive(
      client.start({
        process: { cmd: "sh", args: ["-c", "stty size; read line; stty size; echo got $line"] },
        pty: { size: { cols: 80, rows: 24 } },
      }),
    );
    const pid = await received.started();
    await received.until(() => received.text("pty").includes("24 80"));
    await client.update({ process: exactly(pid), pty: { size: { cols: 132, rows: 43 } } });
    await client.sendInput({
      process: exactly(pid),
      input: { input: { case: "pty", value: Buffer.from("that\n") } },
    });
    expect(await received.ended()).toMatchObject({ exitCode: 0 });
    expect(received.text("pty")).toContain("43 132\r\ngot that\r\n");
  });

  test("errors have the codes of DESIGN.md and name the value", async () => {
    const start = (request: Parameters<typeof client.start>[0]) => receive(client.start(request)).failed();
    const reason = (call: Promise<unknown>) => call.catch((error: unknown) => error);
    const { pid } = await startCat();
    const gone = exactly(999_999_999);
    const answers: [unknown, Code, RegExp][] = [
      [await start({}), Code.InvalidArgument, /^process is missing/],
      [await start({ process: { cmd: "" } }), Code.InvalidArgument, /^cmd is empty/],
      [
        await start({ process: { cmd: "no-such" } }),
        Code.InvalidArgument,
        /^command "no-such" not found in PATH/,
      ],
      [
        await start({ process: { cmd: "cat", cwd: "/no/such" } }),
        Code.InvalidArgument,
        /^cwd "\/no\/such" does not/,
      ],
      [
        await receive(client.connect({ process: gone })).failed(),
        Code.NotFound,
        /^no process with pid 999999999$/,
      ],
      [
        await reason(client.closeStdin({ process: { selector: { case: "tag", value: "ö" } } })),
        Code.NotFound,
        /^no process with tag "ö"$/,
      ],
      [
        await reason(client.sendSignal({ signal: Signal.SIGTERM })),
        Code.InvalidArgument,
        /select one by pid, tag or process_id/,
      ],
      [
        await reason(client.sendSignal({ process: exactly(pid) })),
        Code.InvalidArgument,
        /^signal 0 is unknown/,
      ],
      [await reason(client.sendInput({ process: exactly(pid) })), Code.Unimplemented, /give stdin or pty/],
      [
        await reason(client.update({ process: exactly(pid), pty: { size: { cols: 1, rows: 1 } } })),
        Code.FailedPrecondition,
        new RegExp(`^process ${pid} has no window size`),
      ],
    ];
    for (const [error, code, message] of answers) {
      expect(error).toBeInstanceOf(ConnectError);
      expect(error).toMatchObject({ code, rawMessage: expect.stringMatching(message) });
    }
  });

  test("a deadline on Start kills the process, and the error names the process", async () => {
    const limited = receive(client.start({ process: { cmd: "cat" } }, { timeoutMs: 100 }));
    // Only the agent knows this deadline, so the message is not one of the client library.
    const told = receive(client.start({ process: { cmd: "cat" } }, { headers: timeoutHeader(kind, 50) }));
    const pid = await told.started();
    expect(await told.failed()).toMatchObject({
      code: Code.DeadlineExceeded,
      rawMessage: `process ${pid} was killed: its time limit passed`,
    });
    expect(await limited.failed()).toMatchObject({ code: Code.DeadlineExceeded });
    await untilNone(other, () => true);
  });

  test("a deadline on Connect ends that stream only", async () => {
    const { pid, received } = await startCat();
    const limited = receive(other.connect({ process: exactly(pid) }, { timeoutMs: 100 }));
    const told = receive(other.connect({ process: exactly(pid) }, { headers: timeoutHeader(kind, 50) }));
    expect(await told.failed()).toMatchObject({ code: Code.DeadlineExceeded });
    expect(await limited.failed()).toMatchObject({ code: Code.DeadlineExceeded });
    await client.sendInput({ process: exactly(pid), input: stdin(Buffer.from("goes on")) });
    await received.until(() => received.text("stdout") === "goes on");
  });

  test("a stream that is aborted leaves the process running for the next client", async () => {
    const abort = new AbortController();
    const received = receive(client.start({ process: { cmd: "cat" } }, { signal: abort.signal }));
    const pid = await received.started();
    abort.abort();
    expect(await received.failed()).toMatchObject({ code: Code.Canceled });
    const second = receive(other.connect({ process: exactly(pid) }));
    await second.started();
    await other.sendInput({ process: exactly(pid), input: stdin(Buffer.from("still here")) });
    await second.until(() => second.text("stdout") === "still here");
    await other.closeStdin({ process: exactly(pid) });
    expect(await second.ended()).toMatchObject({ exitCode: 0 });
  });
});

test("over every transport, an idle stream receives KeepAlives at the requested interval, and a busy one none", async () => {
  const open = transportKinds.map((kind) => kind.open(agent.url));
  onTestFinished(() => {
    for (const { close } of open) close();
  });
  const clients = open.map(({ transport }) => createClient(Process, transport));
  const start = (client: Client<typeof Process>, cmd: string, ...args: string[]) =>
    receive(client.start({ process: { cmd, args } }, { headers: { "Keepalive-Ping-Interval": "1" } }));
  // Two processes that never stop writing: one of them could be silent for a second on a loaded machine.
  const busy = clients.slice(1, 3).map((client) => start(client, "sh", "-c", "while :; do echo; done"));
  await Promise.all(busy.map((received) => received.started()));
  const idle = clients.map((client) => start(client, "cat"));
  for (const received of idle) await received.until(() => received.keepalives() >= 2);
  for (const received of idle) expect(received.kinds).toEqual(["start", "keepalive"]);
  for (const received of busy) expect(received.kinds).toEqual(["start", "data"]);
});
