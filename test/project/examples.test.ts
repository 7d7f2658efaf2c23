// The examples, as the README has them run.

import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { startAgent } from "../support/agent/agent.ts";
import { useEmptyHome } from "../support/agent/empty-home.ts";

test("the first session prints what the README says it prints", async () => {
  const { url } = await startAgent();
  onTestFinished(await useEmptyHome(url));
  const example = fileURLToPath(new URL("../../examples/first-session.mjs", import.meta.url));
  const child = spawn(process.execPath, [example], { env: { ...process.env, E2B_SANDBOX_URL: url } });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expect({ stdout, stderr }).toEqual({
    stdout: expect.stringMatching(
      /^hello from \S+ \| oops \| exit 0\nit was holdfast\nthe terminal has 24 rows and 80 columns\n$/,
    ),
    stderr: "",
  });
});
