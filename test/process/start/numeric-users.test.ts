// Users whose names are numbers: a name is never taken for a uid, and a uid never for a name.

import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { answerOf } from "../../support/clients/command-answer.ts";

const UID = 54_105;
const OTHER_UID = 54_107;
/** One has a uid that is the name of the other. */
const plain = { name: `hf-plain-${process.pid}`, uid: UID };
const numeric = { name: String(UID), uid: OTHER_UID };

describe.runIf(process.getuid?.() === 0)("with a user that is named like the uid of another", () => {
  let agent: RunningAgent;
  beforeAll(async () => {
    for (const { name, uid } of [plain, numeric]) {
      // A group of the same number, so that groups can be confused as well.
      execFileSync("groupadd", ["--force", "--gid", String(uid), `hf-g${uid}`]);
      const flags = ["--badname", "--no-create-home", "--uid", String(uid), "--gid", String(uid)];
      execFileSync("useradd", [...flags, name], { stdio: "ignore" });
    }
    agent = await startAgent();
  });
  afterAll(async () => {
    await agent.stop();
    for (const { name, uid } of [plain, numeric]) {
      execFileSync("userdel", [name], { stdio: "ignore" });
      execFileSync("groupdel", [`hf-g${uid}`], { stdio: "ignore" });
    }
  });

  test.each([
    ["pipes", false],
    ["a terminal", true],
  ])("each runs as itself, on %s", async (_, pty) => {
    for (const { name, uid } of [plain, numeric]) {
      const { stdout } = await answerOf(agent.url, "sh", ["-c", "id -u; id -g; id -G; id -un"], {
        user: name,
        pty,
      });
      expect(stdout.replaceAll("\r", "")).toBe(`${uid}\n${uid}\n${uid}\n${name}\n`);
    }
  });
});
