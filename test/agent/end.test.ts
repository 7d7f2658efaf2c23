// The end of the agent waits for no thread. Node joins those of V8, and one that compiles can then wait for the thread that
// joins it.

import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { eventually } from "../support/proc/proc.ts";

const hasStrace = spawnSync("strace", ["-V"]).status === 0;
if (!hasStrace) console.warn("SKIPPED: strace is not installed, so no thread can be held up");

test.runIf(hasStrace)("the agent ends although its other threads answer nobody for an hour", async () => {
  const agent = await startAgent();
  const { pid } = agent;
  const threads = readdirSync(`/proc/${pid}/task`).filter((thread) => Number(thread) !== pid);
  expect(threads.length).toBeGreaterThan(1);
  const tracer = spawn(
    "strace",
    [
      "-qq",
      ...["-e", "trace=futex", "-e", "inject=futex:delay_exit=3600s"],
      ...threads.flatMap((thread) => ["-p", thread]),
    ],
    { stdio: "ignore" },
  );
  onTestFinished(() => void tracer.kill("SIGKILL"));
  const tracerOf = (thread: string) =>
    /^TracerPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8"))?.[1];
  await eventually(
    "all other threads are traced",
    () => threads.every((thread) => tracerOf(thread) === `${tracer.pid}`),
    () => threads.map(tracerOf),
  );
  agent.kill("SIGTERM");
  expect(await agent.exited()).toEqual({ code: 0, signal: null });
});
