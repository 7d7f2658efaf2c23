// User look-ups that never return (a directory server that is down): each fails in time, and they
// take neither the event loop nor all threads of the pool that file calls and other look-ups need.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { answerOf } from "../../support/clients/command-answer.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

const source = new URL("../../fixtures/hanging-users.c", import.meta.url).pathname;

function compile(): string | undefined {
  const library = join(createTempFolder(), "hanging-users.so");
  try {
    execFileSync("cc", ["-shared", "-fPIC", "-o", library, source, "-ldl"], { stdio: "ignore" });
    return library;
  } catch {
    process.stderr.write("skipped: hanging-users.test.ts needs a C compiler\n");
    return undefined;
  }
}

/** An agent whose user database is the library. */
async function startSlow(): Promise<RunningAgent | undefined> {
  const library = compile();
  return library === undefined ? undefined : startAgent({ env: { LD_PRELOAD: library } });
}

test.runIf(process.getuid?.() === 0)(
  "look-ups of users that never return fail as unavailable and delay no start that needs none",
  async () => {
    const agent = await startSlow();
    if (agent === undefined) return;
    const ask = (user?: string) => answerOf(agent.url, "echo", ["hi"], user === undefined ? {} : { user });
    const works = { code: undefined, stdout: "hi\n" };

    const same = Array.from({ length: 10 }, () => ask("hang-same"));
    // Equal names share one thread, so another one is free.
    expect(await ask("nobody")).toMatchObject(works);
    const others = Array.from({ length: 6 }, (_, index) => ask(`hang-${index}`));
    for (let round = 0; round < 5; round++) expect(await ask()).toMatchObject(works);

    for (const answer of await Promise.all([...same, ...others]))
      expect(answer).toMatchObject({
        code: Code.Unavailable,
        message: expect.stringMatching(/^the user database did not answer within 5000 ms for user "hang-/),
      });
    expect(await ask()).toMatchObject(works);
  },
);

test.runIf(process.getuid?.() === 0)(
  "two users whose names differ only in the last of 201 characters run as themselves, looked up at once",
  async () => {
    const agent = await startSlow();
    if (agent === undefined) return;
    const uidOf = (digit: number) =>
      answerOf(agent.url, "id", ["-u"], { user: `slow${"x".repeat(196)}${digit}` });
    const answers = await Promise.all([uidOf(1), uidOf(2)]);
    expect(answers.map(({ stdout }) => stdout)).toEqual(["54201\n", "54202\n"]);
  },
);
