// A process that a running agent started, for tests: its output, its end, and the moment when it is dead. Every wait is for
// an event, with a deadline; nothing polls or sleeps.
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { createServer, type Socket } from "node:net";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { onTestFinished } from "vitest";
import { Process, type ProcessEvent, type ProcessEvent_EndEvent } from "../../src/gen/process_pb.ts";

const DEADLINE_MS = 15_000;

export interface StartedProcess {
  /** Writes to its descriptor 9, without an RPC. */
  tell(text: string): void;
  /** Once its stdout matches. */
  output(pattern: RegExp): Promise<void>;
  /** Once its end event arrived and its stream ended cleanly. */
  end(): Promise<ProcessEvent_EndEvent>;
  /** Once the kernel has closed its descriptors: the process is dead. */
  gone(): Promise<void>;
}

/** Runs `script` in bash and resolves when it has printed "ready". Rejects as Start does. */
export async function startProcess(agentUrl: string, script: string): Promise<StartedProcess> {
  const lifeline = await openLifeline();
  const client = createClient(Process, createConnectTransport({ baseUrl: agentUrl, httpVersion: "1.1" }));
  const stream = client.start({
    process: { cmd: "/bin/bash", args: ["-c", `exec 9<>/dev/tcp/127.0.0.1/${lifeline.port}; ${script}`] },
  });

  let stdout = "";
  let end: ProcessEvent_EndEvent | undefined;
  const waiting = new Set<() => void>();
  const receive = ({ event }: ProcessEvent): void => {
    if (event.case === "data" && event.value.output.case === "stdout")
      stdout += new TextDecoder().decode(event.value.output.value);
    if (event.case === "end") end = event.value;
    for (const look of [...waiting]) look();
  };
  const ended = (async () => {
    for await (const { event } of stream) if (event !== undefined) receive(event);
  })();
  // The waits below report a rejection; without them it must not count as unhandled.
  ended.catch(() => undefined);

  const output = (pattern: RegExp): Promise<void> => {
    const seen = new Promise<void>((resolve) => {
      const look = (): void => {
        if (!pattern.test(stdout)) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
    const never = ended.then(() =>
      Promise.reject(new Error(`ended without ${pattern}: ${JSON.stringify({ stdout, end })}`)),
    );
    return inTime(Promise.race([seen, never]), () => `no ${pattern}: ${JSON.stringify({ stdout, end })}`);
  };

  await output(/^ready$/m);
  return {
    output,
    tell: lifeline.tell,
    end: async () => {
      await inTime(ended, () => `stream still open: ${JSON.stringify({ stdout, end })}`);
      if (end === undefined)
        throw new Error(`stream ended without an end event: ${JSON.stringify({ stdout })}`);
      return end;
    },
    gone: () => inTime(lifeline.cut, () => `the process still lives: ${JSON.stringify({ stdout, end })}`),
  };
}

/** Starts `script` and reads only the first bytes of its stream; the caller may destroy the stream. */
export async function startUnread(agentUrl: string, script: string): Promise<IncomingMessage> {
  const message = Buffer.from(JSON.stringify({ process: { cmd: "/bin/bash", args: ["-c", script] } }));
  const envelope = Buffer.alloc(5);
  envelope.writeUInt32BE(message.length, 1);
  const call = request(`${agentUrl}/process.Process/Start`, {
    method: "POST",
    headers: { "content-type": "application/connect+json", "connect-protocol-version": "1" },
  });
  call.on("error", () => undefined);
  call.end(Buffer.concat([envelope, message]));
  const [response] = (await once(call, "response")) as [IncomingMessage];
  response.on("error", () => undefined);
  await once(response, "readable");
  onTestFinished(() => void response.destroy());
  return response;
}

interface Lifeline {
  readonly port: number;
  readonly cut: Promise<void>;
  tell(text: string): void;
}

/** A connection that the process keeps open as long as it lives. */
async function openLifeline(): Promise<Lifeline> {
  let connection: Socket | undefined;
  const server = createServer();
  const cut = new Promise<void>((resolve) => {
    server.once("connection", (socket) => {
      connection = socket;
      // Some ways to die reset the connection, which also counts as closed.
      socket.on("error", () => undefined).on("close", () => resolve());
      socket.resume();
    });
  });
  onTestFinished(() => {
    connection?.destroy();
    server.close();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  return { port, cut, tell: (text) => void connection?.write(text) };
}

async function inTime<T>(promise: Promise<T>, state: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`after ${DEADLINE_MS} ms: ${state()}`)), DEADLINE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
