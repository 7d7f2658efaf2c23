// Clients that leave while the agent does not read them, because a process does not take their input. The agent notices it,
// and what it held for them is free again.

import { once } from "node:events";
import { connect, type NetConnectOpts } from "node:net";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect, test, vi } from "vitest";
import { Process } from "../../src/gen/process_pb.ts";
import { runCommand, startAgent } from "../support/agent/agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { requestBytes } from "../support/clients/raw-http.ts";
import { receive } from "../support/clients/received-events.ts";
import { encodeBody } from "../support/clients/rpc-call.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { eventually, fdCount } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";

// The agent waits for ten seconds.
vi.setConfig({ testTimeout: 120_000 });

const CLIENTS = 20;
const PIECE_BYTES = 40_000;
/** Node 20 reads further ahead than Node 26. */
const PIECES = process.version.startsWith("v20.") ? 5 : 3;

/**
 * More than the agent reads ahead, and little enough for the agent's kernel to take all of it, and the end of the connection,
 * which would otherwise wait in the client's kernel.
 */
function endlessInput(tag: string): Buffer {
  const data = { data: { input: { stdin: Buffer.alloc(PIECE_BYTES, "x").toString("base64") } } };
  const messages = [{ start: { process: { tag } } }, ...Array(PIECES).fill(data)];
  const body = encodeBody("Connect JSON", "StreamInput", messages);
  const headers = { "content-type": "application/connect+json", "content-length": `${2 * body.length}` };
  return requestBytes({ path: "/process.Process/StreamInput", headers, body });
}

/** Sends `bytes` on connections of its own, and resolves with a function that closes them. */
async function openAll(to: NetConnectOpts, bytes: Buffer): Promise<() => void> {
  const sockets = Array.from({ length: CLIENTS }, () => connect(to));
  for (const socket of sockets) {
    socket.on("error", () => undefined);
    await once(socket, "connect");
    socket.write(bytes);
  }
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}

/** Input that waits in the agent: the pipe is full, and each client has filled what the agent reads ahead. */
async function untilStuck(pid: number, before: number): Promise<void> {
  await eventually(
    "all connections",
    () => fdCount(pid) >= before + CLIENTS,
    () => fdCount(pid),
  );
}

const agents = {
  TCP: async () => {
    const agent = await startAgent();
    return { agent, client: plainClient(agent.url), to: { port: agent.port, host: "127.0.0.1" } };
  },
  "a Unix socket": async () => {
    const path = join(createTempFolder(), "agent.sock");
    const agent = runCommand({ args: ["serve", "--listen", `unix:${path}`] });
    await agent.waitFor("stdout", /^holdfast listening on /m);
    const nodeOptions = { socketPath: path };
    const baseUrl = "http://localhost";
    const transport = createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions });
    return { agent, client: createClient(Process, transport), to: { path } };
  },
};

test.each(["TCP", "a Unix socket"] as const)(
  "clients over %s that leave while a process takes no input leave no connection",
  async (kind) => {
    const { agent, client, to } = await agents[kind]();
    const fifo = createFifo();
    const script = `echo ready; ${fifo.wait}; head -c 5 >/dev/null; echo went on; exec sleep 600`;
    const received = receive(client.start({ process: { cmd: "bash", args: ["-c", script] }, tag: "one" }));
    await received.until(() => received.text("stdout") === "ready\n");
    const before = fdCount(agent.pid);

    const leave = await openAll(to, endlessInput("one"));
    await untilStuck(agent.pid, before);
    leave();
    await eventually(
      "the connections are gone",
      () => fdCount(agent.pid) <= before,
      () => `${fdCount(agent.pid)} of ${before}`,
      30_000,
    );
    // The process has what was accepted, and nothing ended it.
    fifo.open();
    await received.until(() => received.text("stdout").includes("went on"));
    expect((await client.list({})).processes.map(({ tag }) => tag)).toEqual(["one"]);
  },
);
