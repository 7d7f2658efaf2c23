// The wall clock of a restored machine jumps. Nothing that the agent decides depends on it, and what it reports follows at once.

import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { killAll, plainClient } from "../support/agent/running-processes.ts";
import { startAndLeave } from "../support/clients/start-and-leave.ts";
import { startStream } from "../support/clients/stream-client.ts";
import { eventually } from "../support/proc/proc.ts";

const DAY_MS = 86_400_000;
const fixture = fileURLToPath(new URL("../fixtures/stepped-clock.cjs", import.meta.url));

test("a wall clock that jumps 30 days forward and 60 back ends nothing and forgets nothing, and times follow it", async () => {
  const agent = await startAgent({
    nodeArgs: ["--require", fixture],
    env: { STEPS: "30,-60" },
    args: ["--retain-ended", "1h", "--stall-timeout", "1h"],
  });
  onTestFinished(() => killAll(agent.url));
  const client = plainClient(agent.url);
  const infoOf = async (tag: string) =>
    (await client.list({ includeEnded: true })).processes.find((info) => info.tag === tag);
  await startAndLeave(
    agent.port,
    { tag: "limited", process: { cmd: "sleep", args: ["600"] } },
    { "connect-timeout-ms": "3600000" },
  );
  await startAndLeave(agent.port, { tag: "ended", process: { cmd: "sh", args: ["-c", "exit 7"] } });
  const live = startStream(agent.port, { tag: "live", process: { cmd: "cat" } });
  await live.started();
  await eventually(
    "the end",
    async () => (await infoOf("ended"))?.end !== undefined,
    () => "running",
  );

  let bytes = 0;
  for (const shiftMs of [30 * DAY_MS, -30 * DAY_MS]) {
    agent.kill("SIGWINCH");
    const expectedMs = () => Date.now() + shiftMs;
    const startedAtMs = async () => Number((await infoOf("limited"))?.startedAtMs);
    await eventually(
      "a start as the clock is set now",
      async () => Math.abs((await startedAtMs()) - expectedMs()) < 60_000,
      startedAtMs,
    );
    expect((await infoOf("limited"))?.end).toBeUndefined();
    expect((await infoOf("ended"))?.end?.exitCode).toBe(7);
    await client.sendInput({
      process: { selector: { case: "tag", value: "live" } },
      input: { input: { case: "stdin", value: Buffer.from("x") } },
    });
    await live.received(++bytes);
    const logged = agent.stderr().length;
    await startAndLeave(agent.port, { process: { cmd: "true" } });
    const [, time = ""] = await eventuallyLogged(() => /"time":"([^"]+)"/.exec(agent.stderr().slice(logged)));
    expect(Math.abs(Date.parse(time) - expectedMs())).toBeLessThan(60_000);
  }
});

async function eventuallyLogged(find: () => RegExpExecArray | null): Promise<RegExpExecArray> {
  await eventually(
    "a log line",
    () => find() !== null,
    () => "none",
  );
  return find() ?? ([] as unknown as RegExpExecArray);
}
