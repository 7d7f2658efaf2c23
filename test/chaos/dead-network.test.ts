// A client whose network dies silently, without FIN or RST, is detected within a bounded time, idle
// or in the middle of a flood, over HTTP/1.1 and h2c. Afterwards it leaves no subscriber behind.
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { killAll, plainClient } from "../support/agent/running-processes.ts";
import { encodeBody } from "../support/clients/rpc-call.ts";
import { killNetwork } from "../support/network/dead-network.ts";
import { eventually } from "../support/proc/proc.ts";
import { tcpQueues } from "../support/proc/proc-activity.ts";

// The kernel's probes take long.
vi.setConfig({ testTimeout: 90_000 });

/**
 * The kernel probes an idle connection after 15 s, then three times 5 s apart. Twice that for a
 * busy machine.
 */
const DETECTED_MS = 60_000;

let agent: RunningAgent;

beforeAll(async () => {
  agent = await startAgent();
  return async () => {
    await killAll(agent.url);
    await agent.stop();
  };
});

/**
 * A stream over a connection of its own, open once the process runs. Its output is read and
 * dropped.
 */
async function openStream(version: "HTTP/1.1" | "h2c", cmd: string): Promise<Socket> {
  const socket = connect({ port: agent.port, host: "127.0.0.1" });
  const body = encodeBody("Connect binary", "Start", [{ process: { cmd }, tag: `${cmd} over ${version}` }]);
  const path = "/process.Process/Start";
  const type = "application/connect+proto";
  if (version === "HTTP/1.1") {
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    socket.write(body);
    await new Promise((resolve) => socket.once("data", resolve));
    socket.resume();
  } else {
    const session = connectHttp2(agent.url, { createConnection: () => socket });
    session.on("error", () => {
      // The agent's RST, after the filter has gone with the socket.
    });
    const stream = session.request({ ":method": "POST", ":path": path, "content-type": type });
    stream.on("error", () => {
      // As above.
    });
    stream.end(body);
    await new Promise((resolve) => stream.once("data", resolve));
    stream.resume();
  }
  return socket;
}

/** Unsent data would be retransmitted, and each retransmission would be a sign of life. */
async function untilAcknowledged(socket: Socket): Promise<void> {
  let quiet = 0;
  await eventually(
    "everything sent is acknowledged",
    () => {
      quiet = tcpQueues(socket.localPort ?? 0, agent.port).sent === 0 ? quiet + 1 : 0;
      return quiet >= 20;
    },
    () => quiet,
  );
}

async function subscribersOf(tag: string): Promise<number | undefined> {
  const { processes } = await plainClient(agent.url).list({ includeEnded: true });
  return processes.find((process) => process.tag === tag)?.subscribers;
}

describe.concurrent("a client whose network dies", () => {
  test.each([
    ["HTTP/1.1", "cat", "waits for output"],
    ["HTTP/1.1", "yes", "is flooded"],
    ["h2c", "cat", "waits for output"],
    ["h2c", "yes", "is flooded"],
  ] as const)(
    "over %s while `%s` runs and it %s is a subscriber no longer within a minute",
    async (version, cmd, _state) => {
      const socket = await openStream(version, cmd);
      const tag = `${cmd} over ${version}`;
      expect(await subscribersOf(tag)).toBe(1);
      if (cmd === "cat") await untilAcknowledged(socket);
      killNetwork(socket);
      await eventually(
        "its subscriber is gone",
        async () => (await subscribersOf(tag)) === 0,
        () => tag,
        DETECTED_MS,
      );
      socket.destroy();
    },
  );
});
