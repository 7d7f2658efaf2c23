// Processes of another user, which only root may start. users-without-root.test.ts tests an agent
// that is not root.

import { readFileSync, realpathSync, statSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { outputOf, type WholeOutput } from "../../support/agent/process-output.ts";
import { createTable } from "../../support/agent/process-table.ts";
import { command, PIPES, PTY, script } from "../../support/clients/start-requests.ts";
import { openDescriptors } from "../../support/proc/open-descriptors.ts";
import { childrenOf } from "../../support/proc/proc.ts";

const isRoot = process.getuid?.() === 0;

/** A user of this system that has supplementary groups, if there is one. */
const member = someMember() ?? "nobody";

describe.runIf(isRoot)("as root", () => {
  test.each([
    ["pipes", PIPES],
    ["a terminal", PTY],
  ])(
    "a process of another user has the uid, gid and groups of that user on %s, and none of the agent's",
    async (_, stdio) => {
      const table = createTable();
      const agentGroups = process.getgroups?.() ?? [];
      const known = await outputOf(
        await table.start(script(`id -u ${member}; id -g ${member}; id -G ${member}`)),
      );
      const [uid = "", gid = "", groups = ""] = known.stdout.split("\n");
      process.setgroups?.([...agentGroups, 4242]);
      try {
        const found = await outputOf(
          await table.start(
            script("grep -E '^(Uid|Gid|Groups):' /proc/self/status", { user: member, stdio }),
          ),
        );

        const lines = textOf(found).replaceAll("\r", "").split("\n");
        expect(numbers(lines[0])).toEqual(Array(4).fill(Number(uid)));
        expect(numbers(lines[1])).toEqual(Array(4).fill(Number(gid)));
        expect(numbers(lines[2]).sort()).toEqual(groups.split(" ").map(Number).sort());
      } finally {
        process.setgroups?.(agentGroups);
      }
    },
  );

  test("the terminal belongs to the user of its process, which can open it again by name", async () => {
    const table = createTable();
    const found = await outputOf(
      await table.start(
        script('stat -c %U "$(tty)"; echo again > "$(tty)"; echo tty > /dev/tty', {
          user: "nobody",
          stdio: PTY,
        }),
      ),
    );

    expect(found.pty).toBe("nobody\r\nagain\r\ntty\r\n");
    expect(found.end.exitCode).toBe(0);
  });

  test("HOME, USER and LOGNAME are those of the user, and the process starts in the home of the user", async () => {
    const table = createTable();
    const [name = "", , , , , home = ""] =
      passwdEntries().find(([, , , , , folder]) => isOtherHome(folder)) ?? [];
    const found = await outputOf(
      await table.start(script('pwd -P; echo "$HOME $USER $LOGNAME"', { user: name })),
    );

    expect(found.stdout).toBe(`${realpathSync(home)}\n${home} ${name} ${name}\n`);
  });

  test("a process of a user whose home is missing starts in /", async () => {
    const table = createTable();
    // On Debian and Alpine, nobody has no home, or /.
    const found = await outputOf(await table.start(command("pwd", [], { user: "nobody" })));

    expect(found.stdout).toBe("/\n");
  });

  test("naming the agent's own user is the same as naming no user", async () => {
    const table = createTable();
    const found = await outputOf(await table.start(command("cat", ["/proc/self/cmdline"], { user: "root" })));

    expect(found.stdout).toBe("cat\0/proc/self/cmdline\0");
  });

  test("a process of another user accepts signals and input", async () => {
    const table = createTable();
    const process = await table.start(script("read -r line; echo got $line; sleep 60", { user: "nobody" }));
    const ended = outputOf(process);
    await process.write("stdin", Buffer.from("it\n"));
    process.signalGroup(15);

    expect((await ended).end.status).toBe("signal: terminated");
  });

  test("a command of another user that looks like an option is not an option of a wrapper", async () => {
    const table = createTable();
    await expect(table.start(command("--dump", [], { user: "nobody" }))).rejects.toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(/^command "--dump" not found/),
    });
    const found = await outputOf(await table.start(command("echo", ["--reuid=0", "-d"], { user: "nobody" })));
    expect(found.stdout).toBe("--reuid=0 -d\n");
  });
});

test.each([PIPES, PTY])(
  "an unknown user is unauthenticated, and nothing was opened or started: %j",
  async (stdio) => {
    const table = createTable();
    const before = openDescriptors();
    for (const user of ["holdfast-nobody", "", "0", "root ", "ro\not", "root:", "../root", "Grüße"])
      await expect(table.start(command("true", [], { user, stdio }))).rejects.toMatchObject({
        name: "HoldfastError",
        code: "unauthenticated",
        message: `no such user: "${user}"`,
      });

    expect(openDescriptors()).toEqual(before);
    expect(childrenOf(process.pid)).toEqual([]);
  },
);

function textOf({ stdout, pty }: WholeOutput): string {
  return stdout + pty;
}

function numbers(line: string | undefined): number[] {
  return line?.match(/\d+/g)?.map(Number) ?? [];
}

function passwdEntries(): string[][] {
  return readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
}

function isOtherHome(folder: string | undefined): boolean {
  if (folder === undefined || folder === "/" || folder === "/root") return false;
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function someMember(): string | undefined {
  for (const line of readFileSync("/etc/group", "utf8").split("\n")) {
    const [, , , members = ""] = line.split(":");
    // identity.test.ts adds and removes one at any time.
    const found = members
      .split(",")
      .find((name) => name !== "" && name !== "root" && !name.startsWith("hf-"));
    if (found !== undefined) return found;
  }
  return undefined;
}
