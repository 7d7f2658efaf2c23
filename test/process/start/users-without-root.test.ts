// An agent that is not root: for which users it may start processes, and its answer for others.

import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { answerOf } from "../../support/clients/command-answer.ts";

/** A user without rights, by number: works also where the tests themselves run as one. */
const asNobody =
  process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];

let agent: RunningAgent;

beforeAll(async () => {
  agent = await startAgent({ prefix: asNobody });
});
afterAll(async () => {
  await agent.stop();
});

test("an agent that is not root runs commands as its own user, also when the request names that user", async () => {
  const me = await answerOf(agent.url, "id", ["-un"]);

  expect(me).toMatchObject({ code: undefined, stdout: expect.stringMatching(/^\S+\n$/) });
  expect(await answerOf(agent.url, "id", ["-un"], { user: me.stdout.trim() })).toEqual(me);
  expect(await answerOf(agent.url, "id", ["-un"], { user: me.stdout.trim(), pty: true })).toMatchObject({
    code: undefined,
    stdout: me.stdout.replace("\n", "\r\n"),
  });
});

test.each([false, true])(
  "an agent that is not root may not start a process of another user, on a terminal: %j",
  async (pty) => {
    for (const user of ["root", "daemon"])
      expect(await answerOf(agent.url, "id", [], { user, pty })).toMatchObject({
        code: Code.PermissionDenied,
        message: expect.stringContaining(`"${user}"`),
      });
    expect(await answerOf(agent.url, "echo", ["fine"], { pty })).toMatchObject({ code: undefined });
  },
);

test("a user that the system does not know is unauthenticated", async () => {
  expect(await answerOf(agent.url, "id", [], { user: "holdfast-nobody" })).toMatchObject({
    code: Code.Unauthenticated,
    message: expect.stringContaining(`"holdfast-nobody"`),
  });
});

test.runIf(process.getuid?.() === 0)(
  "a cwd that the agent may not enter is refused by name, and so is a command that it may not run",
  async () => {
    expect(await answerOf(agent.url, "true", [], { cwd: "/root" })).toMatchObject({
      code: Code.InvalidArgument,
      message: expect.stringMatching(/cwd "\/root".*EACCES/),
    });
    expect(await answerOf(agent.url, "true", [], { cwd: "/root/below" })).toMatchObject({
      code: Code.InvalidArgument,
      message: expect.stringMatching(/cwd "\/root\/below".*EACCES/),
    });
    expect(await answerOf(agent.url, "/root/below/command", [])).toMatchObject({
      code: Code.InvalidArgument,
      message: expect.stringContaining(`"/root/below/command"`),
    });
  },
);
