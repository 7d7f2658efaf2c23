// Pauses do not count as time (rule 17): the agent alone is stopped, or the agent with its commands is frozen, as a VM is
// in a pause in which its clock continues. PAUSE_SECONDS=90,600 runs the long ones.

import { expect, test } from "vitest";
import { type PausableAgent, startFreezable, startStoppable } from "../support/agent/pausable-agent.ts";
import { plainClient } from "../support/agent/running-processes.ts";
import { openConnection } from "../support/clients/raw-http.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";
import { connectStream } from "../support/clients/stream-client.ts";
import { eventually } from "../support/proc/proc.ts";
import { sideBySide } from "../support/side-by-side.ts";

const pauseSeconds = (process.env["PAUSE_SECONDS"] ?? "4").split(",").map(Number);
/** Shorter than each pause. */
const LIMIT_MS = 4_000;
const RETAIN = ["--retain-ended", "3500ms"];

const kinds: readonly [name: string, start: () => Promise<PausableAgent | undefined>][] = [
  ["stopped with SIGSTOP", () => startStoppable(RETAIN)],
  ["frozen with its commands", () => startFreezable(RETAIN)],
];

test.each(pauseSeconds)(
  "an agent that is stopped, or frozen with its commands, for %i s keeps processes, results and streams for the time they had left",
  { timeout: 60_000 + 1_000 * Math.max(...pauseSeconds) },
  (seconds) =>
    sideBySide(kinds, async (start) => {
      const pausable = await start();
      if (pausable === undefined) return console.warn("SKIPPED: no cgroup that can be frozen");
      const { agent, pause } = pausable;
      const client = plainClient(agent.url);
      const infoOf = async (tag: string) => {
        const { processes } = await client.list({ includeEnded: true });
        return processes.find((info) => info.tag === tag);
      };
      const startTagged = (tag: string, script: string, headers = {}) =>
        startAndLeave(agent.port, { tag, process: { cmd: "sh", args: ["-c", script] } }, headers);

      await startTagged("echo", "exec cat");
      const echoPid = (await infoOf("echo"))?.pid ?? 0;
      const streams = Array.from({ length: 5 }, () => connectStream(agent.port, echoPid));
      await Promise.all(streams.map((stream) => stream.started()));
      const halfSent = await openConnection(agent.port);
      halfSent.send("GET /health HTTP/1.1\r\nHost: local");
      await startTagged("ended", "echo result; exit 7");
      await startTagged("limited", "exec sleep infinity", { "connect-timeout-ms": String(LIMIT_MS) });
      const limitedAt = performance.now();
      await eventually(
        "the end",
        async () => (await infoOf("ended"))?.end !== undefined,
        () => "running",
      );

      const beforeMs = performance.now() - limitedAt;
      await pause(seconds * 1_000);
      const thawedAt = performance.now();

      expect((await infoOf("ended"))?.end?.exitCode).toBe(7);
      const limited = await infoOf("limited");
      expect(limited).toBeDefined();
      expect(limited?.end).toBeUndefined();
      const result = connectStream(agent.port, (await infoOf("ended"))?.pid ?? 0);
      expect((await result.ended()).output.stdout?.bytes).toBe("result\n".length);
      await client.sendInput({
        process: { selector: { case: "tag", value: "echo" } },
        input: { input: { case: "stdin", value: Buffer.from("x") } },
      });
      await Promise.all(streams.map((stream) => stream.received(1)));
      halfSent.send("host\r\n\r\n");
      await halfSent.until("an answer", (received) => received.includes("HTTP/1.1 204") || undefined);

      await eventually(
        "the kill at the limit",
        async () => (await infoOf("limited"))?.end !== undefined,
        () => "running",
        20_000,
      );
      const leftMs = LIMIT_MS - beforeMs;
      // At most one pulse of the clock too early or too late.
      expect(performance.now() - thawedAt).toBeGreaterThan(leftMs - 1_000);
      await eventually(
        "the result is forgotten",
        async () => (await infoOf("ended")) === undefined,
        () => "held",
        20_000,
      );
    }),
);
