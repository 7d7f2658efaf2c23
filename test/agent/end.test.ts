// The end of the agent waits for no thread. Node joins those of V8, and one that compiles can then wait for the thread that
// joins it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { eventually, hasExited, stateOf } from "../support/proc/proc.ts";
import { hasPrograms } from "../support/programs.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const holdThreads = fileURLToPath(new URL("../fixtures/hold-threads-at-exit.cjs", import.meta.url));
const hasStrace = hasPrograms("test/agent/end.test.ts", "strace");
if (!hasStrace) console.warn("SKIPPED: strace is not installed, so no thread can be held up");

test.runIf(hasStrace)("the agent ends although its other threads do not answer for an hour", async () => {
  const pidFile = join(createTempFolder(), "pid");
  const agent = await startAgent({
    nodeArgs: ["--require", holdThreads],
    env: { HOLD_THREADS_PID_FILE: pidFile },
  });
  agent.kill("SIGTERM");
  await agent.waitFor("stderr", /[1-9]\d* threads held: 0/);
  const tracer = Number(readFileSync(pidFile, "latin1"));
  onTestFinished(() => {
    if (!hasExited(tracer)) process.kill(tracer, "SIGKILL");
  });
  // It has called exit_group(2). The kernel reports the exit only when the tracer has let the last thread go.
  await eventually(
    "its main thread has ended",
    () => hasExited(agent.pid),
    () => [stateOf(agent.pid), agent.stderr()],
  );
  process.kill(tracer, "SIGKILL");
  expect(await agent.exited()).toEqual({ code: 0, signal: null });
});
