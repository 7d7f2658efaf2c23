// Users and terminals of a machine that is set up in another way: the agent sees an /etc/passwd, an
// /etc/group and a /dev/pts of its own.

import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { answerOf } from "../../support/clients/command-answer.ts";
import { hasPrograms } from "../../support/programs.ts";

/** 2^32-1 tells the kernel to keep the present id, which is that of root. */
const KEEP = 2 ** 32 - 1;
const USERS = [
  "root:x:0:0::/root:/bin/sh",
  "plain:x:5005:5100::/:/bin/sh",
  `no-uid:x:${KEEP}:5100::/:/bin/sh`,
  `no-gid:x:5006:${KEEP}::/:/bin/sh`,
];
const GROUPS = ["root:x:0:", "tty:x:5:", "shared:x:5100:", `no-group:x:${KEEP}:`];

/**
 * Terminals belong to the group of `write` and `wall`, as on most machines. All of /etc is replaced: a mount on one of its
 * files would be gone once a program outside replaces that file.
 */
const SET_UP = `
  mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts /dev/pts
  mount --bind /dev/pts/ptmx /dev/ptmx
  mount --bind "$0" /etc
  exec "$@"`;

const isPossible = process.getuid?.() === 0 && hasPrograms("an unusual machine", "unshare", "mount");

describe.runIf(isPossible)("on a machine with its own users and terminals", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-test-"));
  let agent: RunningAgent;
  beforeAll(async () => {
    for (const name of ["ld.so.cache", "nsswitch.conf"])
      if (existsSync(`/etc/${name}`)) copyFileSync(`/etc/${name}`, join(folder, name));
    writeFileSync(join(folder, "passwd"), `${USERS.join("\n")}\n`);
    writeFileSync(join(folder, "group"), `${GROUPS.join("\n")}\n`);
    agent = await startAgent({ prefix: ["unshare", "--mount", "sh", "-euc", SET_UP, folder] });
  });
  afterAll(async () => {
    await agent.stop();
    rmSync(folder, { recursive: true });
  });

  test.each([
    ["no-uid", `user "no-uid" has the uid ${KEEP}, which no process can have`],
    ["no-gid", `user "no-gid" has the gid ${KEEP}, which no process can have`],
  ])("%s, whose id means that it is kept, does not run as root", async (user, message) => {
    expect(await answerOf(agent.url, "id", [], { user })).toEqual({
      ...{ code: Code.Unauthenticated, message, stdout: "" },
    });
  });

  test("a group whose id means that it is kept is refused", async () => {
    expect(await answerOf(agent.url, "id", [], { user: "plain", group: "no-group" })).toEqual({
      code: Code.Unauthenticated,
      message: `group "no-group" has the gid ${KEEP}, which no process can have`,
      stdout: "",
    });
  });

  test("other members of the user's group cannot write to its terminal", async () => {
    const groupOfTty = 5;
    for (const [user, uid] of [
      ["root", 0],
      ["plain", 5005],
    ] as const) {
      const { stdout } = await answerOf(agent.url, "sh", ["-c", 'stat -c "%u %g %a" "$(tty)"'], {
        ...{ user, pty: true },
      });
      expect(stdout).toBe(`${uid} ${groupOfTty} 620\r\n`);
    }
  });
});
