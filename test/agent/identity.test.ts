// The identity of commands as the commands report it, for each kind of agent and user, on pipes and on a terminal.

import { execFileSync } from "node:child_process";
import { mkdirSync, statSync } from "node:fs";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inheritedPath } from "../../src/process/start/environment.ts";
import { runCommand, startAgent } from "../support/agent/agent.ts";
import { hasStrace, startTracedAgent } from "../support/agent/traced-agent.ts";
import { answerOf } from "../support/clients/command-answer.ts";
import { childrenOf } from "../support/proc/proc.ts";
import { createTempFolder } from "../support/temp-folder.ts";

const isRoot = process.getuid?.() === 0;
const kinds = [
  ["pipes", false],
  ["a terminal", true],
] as const;

/** No command may see any of these. */
const AGENTS_OWN = {
  HOLDFAST_ACCESS_TOKEN: "",
  HOLDFAST_LOG_LEVEL: "debug",
  NOTIFY_SOCKET: "/run/none",
  INVOCATION_ID: "unit",
  SECRET_OF_THE_AGENT: "yes",
  NODE_OPTIONS: "--no-warnings",
};

/** How a command of this agent sees itself. Real programs printed every part. */
async function identityOf(url: string, user: string | undefined, pty: boolean) {
  const as = user === undefined ? { pty } : { user, pty };
  const print = async (cmd: string, ...args: string[]) => {
    const { code, message, stdout } = await answerOf(url, cmd, args, as);
    expect({ cmd, code, message }).toEqual({ cmd, code: undefined, message: "" });
    return stdout.replaceAll("\r", "").trimEnd();
  };
  const [status, id, groups, names, files, env, cwd] = await Promise.all([
    print("cat", "/proc/self/status"),
    print("id"),
    print("groups"),
    print("ls", "/proc/self/fd"),
    print("ls", "-l", "/proc/self/fd"),
    print("env"),
    print("pwd"),
  ]);
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*?)\\s*$`, "m").exec(status)?.[1] ?? "none";
  const ids = (text: string) => text.split(/\s+/).filter(Boolean).map(Number).sort();
  return {
    id,
    groups: groups.split(" ").sort(),
    uids: ids(field("Uid")),
    gids: ids(field("Gid")),
    groupIds: ids(field("Groups")),
    capabilities: Object.fromEntries(["Inh", "Prm", "Eff", "Amb"].map((set) => [set, field(`Cap${set}`)])),
    noNewPrivs: field("NoNewPrivs"),
    // The last descriptor is the folder that is being listed.
    descriptors: names.split(/\s+/),
    files,
    env: Object.fromEntries(env.split("\n").map((line) => line.split("=", 2))),
    cwd,
  };
}

const NO_CAPABILITIES = "0".repeat(16);
const none = { Inh: NO_CAPABILITIES, Prm: NO_CAPABILITIES, Eff: NO_CAPABILITIES, Amb: NO_CAPABILITIES };

/** Created for these tests and removed by them: a user in three groups in addition to its own. */
const member = { name: `hf-member-${process.pid}`, groups: [1, 2, 3].map((n) => `hf-g${n}-${process.pid}`) };

describe.runIf(isRoot)("an agent that runs as root", () => {
  let uid = 0;
  let gid = 0;
  beforeAll(() => {
    for (const group of member.groups) execFileSync("groupadd", [group]);
    execFileSync("useradd", ["-m", "-s", "/bin/sh", "-G", member.groups.join(), member.name], {
      stdio: "ignore",
    });
    ({ uid, gid } = statSync(`/home/${member.name}`));
  });
  afterAll(() => {
    execFileSync("userdel", ["-r", member.name], { stdio: "ignore" });
    for (const group of member.groups) execFileSync("groupdel", [group]);
  });

  test.each(kinds)(
    "runs a command on %s as a user, with that user's three groups and no rights of root",
    async (_, pty) => {
      const { url } = await startAgent({ env: AGENTS_OWN });
      const found = await identityOf(url, member.name, pty);
      const ids = execFileSync("id", ["-G", member.name]).toString().trim().split(" ").map(Number).sort();
      expect(ids).toHaveLength(4);
      expect(found).toMatchObject({
        id: execFileSync("id", [member.name]).toString().trim(),
        groups: [member.name, ...member.groups].sort(),
        uids: Array(4).fill(uid),
        gids: Array(4).fill(gid),
        groupIds: ids,
        capabilities: none,
        noNewPrivs: "0",
        descriptors: ["0", "1", "2", "3"],
        cwd: `/home/${member.name}`,
      });
      expect(found.env).toEqual({
        PATH: inheritedPath(process.env),
        HOME: `/home/${member.name}`,
        USER: member.name,
        LOGNAME: member.name,
        ...(pty ? { TERM: "xterm-256color", LANG: "C.UTF-8" } : {}),
      });
      if (pty) {
        // Only the user can open the terminal again.
        const tty = await answerOf(url, "sh", ["-c", "stat -c '%U %a' \"$(tty)\""], {
          user: member.name,
          pty,
        });
        expect(tty.stdout).toMatch(new RegExp(`^${member.name} 6[02]0\r\n$`));
        expect(found.files.match(/-> \/dev\/pts\/\d+$/gm)).toHaveLength(3);
      } else {
        expect(found.files.match(/-> pipe:\[\d+\]$/gm)).toHaveLength(3);
      }
    },
  );

  test.each(kinds)("runs a command on %s as root if the request names no user", async (_, pty) => {
    const { url } = await startAgent({ env: AGENTS_OWN });
    const found = await identityOf(url, undefined, pty);
    expect(found).toMatchObject({
      uids: [0, 0, 0, 0],
      gids: [0, 0, 0, 0],
      capabilities: { Inh: NO_CAPABILITIES, Amb: NO_CAPABILITIES },
      noNewPrivs: "0",
      descriptors: ["0", "1", "2", "3"],
      cwd: "/root",
    });
    expect(Object.keys(found.env).sort()).toEqual(
      ["HOME", "LOGNAME", "PATH", "USER", ...(pty ? ["TERM", "LANG"] : [])].sort(),
    );
    expect(await identityOf(url, "root", pty)).toMatchObject({ id: found.id, cwd: "/root" });
  });

  test.each(kinds)("starts nothing on %s for an unknown user", async (_, pty) => {
    const agent = await startAgent();
    for (const user of ["nobody-knows", `${member.name}x`]) {
      expect(await answerOf(agent.url, "id", [], { user, pty })).toEqual({
        code: Code.Unauthenticated,
        message: `no such user: "${user}"`,
        stdout: "",
      });
    }
    expect(childrenOf(agent.pid)).toEqual([]);
  });

  test("--default-user is the user of a command if the request names none, and the request wins", async () => {
    const { url } = await startAgent({ args: ["--default-user", member.name] });
    expect((await answerOf(url, "id", ["-un"])).stdout).toBe(`${member.name}\n`);
    expect((await answerOf(url, "pwd", [])).stdout).toBe(`/home/${member.name}\n`);
    expect((await answerOf(url, "id", ["-un"], { user: "root" })).stdout).toBe("root\n");
  });

  test("--default-workdir is the cwd of a command, with ~ for the home of its user", async () => {
    const { url } = await startAgent({ args: ["--default-workdir", "/usr/share"] });
    expect((await answerOf(url, "pwd", [], { user: member.name })).stdout).toBe("/usr/share\n");
    expect((await answerOf(url, "pwd", [], { cwd: "/usr" })).stdout).toBe("/usr\n");
    mkdirSync(`/home/${member.name}/work`);
    const { url: other } = await startAgent({ args: ["--default-workdir", "~/work"] });
    expect((await answerOf(other, "pwd", [], { user: member.name })).stdout).toBe(
      `/home/${member.name}/work\n`,
    );
    expect(await answerOf(other, "pwd", [])).toMatchObject({
      code: Code.InvalidArgument,
      message: 'cwd "~/work" does not exist',
    });
  });

  test.each([
    ["inheritable and ambient", ["setpriv", "--inh-caps=+net_raw", "--ambient-caps=+net_raw"]],
    ["inheritable", ["setpriv", "--inh-caps=+net_raw"]],
  ])("gives commands none of its %s capabilities", async (_, prefix) => {
    const { url } = await startAgent({ prefix });
    for (const user of ["root", member.name]) {
      const { capabilities } = await identityOf(url, user, false);
      expect({ user, Inh: capabilities["Inh"], Amb: capabilities["Amb"] }).toEqual({
        user,
        Inh: NO_CAPABILITIES,
        Amb: NO_CAPABILITIES,
      });
    }
  });

  describe("an agent that runs as a normal user", () => {
    const asMember = () => ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--init-groups"];

    test.each(kinds)("runs a command on %s only as its own user, named or not", async (_, pty) => {
      const agent = await startAgent({ prefix: asMember(), env: { ...AGENTS_OWN, HOME: "/elsewhere" } });
      const found = await identityOf(agent.url, undefined, pty);
      expect(found).toMatchObject({
        id: execFileSync("id", [member.name]).toString().trim(),
        uids: Array(4).fill(uid),
        gids: Array(4).fill(gid),
        capabilities: none,
        noNewPrivs: "0",
        descriptors: ["0", "1", "2", "3"],
      });
      expect(await identityOf(agent.url, member.name, pty)).toMatchObject({ id: found.id, env: found.env });
      for (const user of ["root", "daemon", "nobody"]) {
        expect(await answerOf(agent.url, "id", [], { user, pty })).toEqual({
          code: Code.PermissionDenied,
          message: `only root may run commands as another user: "${user}"`,
          stdout: "",
        });
      }
      expect(childrenOf(agent.pid)).toEqual([]);
    });

    test("is its own user also in another group, as containers start it, for commands and files", async () => {
      const prefix = ["setpriv", `--reuid=${uid}`, "--regid=1", "--clear-groups"];
      const agent = await startAgent({ prefix, env: { HOME: `/home/${member.name}` } });
      const found = await answerOf(agent.url, "id", []);
      expect(found.stdout).toMatch(new RegExp(`^uid=${uid}\\(${member.name}\\) gid=1\\(`));
      expect(await answerOf(agent.url, "id", [], { user: member.name })).toEqual(found);
      expect(await answerOf(agent.url, "id", [], { uid })).toEqual(found);
      const { status } = await fetch(`${agent.url}/files?path=made&username=${member.name}`, {
        ...{ method: "POST", body: "content" },
        headers: { "content-type": "application/octet-stream" },
      });
      expect(status).toBe(200);
      expect(statSync(`/home/${member.name}/made`)).toMatchObject({ uid, gid: 1 });
    });

    test("with a capability passes it to no command", async () => {
      const prefix = [...asMember(), "--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service"];
      const { url } = await startAgent({ prefix });
      expect((await identityOf(url, undefined, false)).capabilities).toEqual(none);
    });

    test("does not start with a default user that it has no permission for", async () => {
      const command = runCommand({
        prefix: asMember(),
        args: ["serve", "--port", "0", "--default-user", "daemon"],
      });
      expect((await command.exited()).code).toBe(1);
      expect(command.stderr()).toContain(
        'cannot start: only root may run commands as another user: "daemon"\n',
      );
    });
  });
});

test.runIf(!isRoot)(
  "of the users only the agent's own could be tried: these tests do not run as root",
  () => {
    process.stderr.write("skipped: identity.test.ts needs root for other users\n");
  },
);

test.runIf(hasStrace)(
  "starts commands without changing its umask, which all of its threads have",
  async () => {
    const agent = await startTracedAgent(["umask"], []);
    // The first start does what is done once.
    await answerOf(agent.url, "true", []);
    const before = agent.calls();
    for (let count = 0; count < 5; count++)
      expect(await answerOf(agent.url, "true", [])).toMatchObject({ code: undefined });

    expect(agent.calls()).toBe(before);
  },
);

test("does not start with an unknown default user", async () => {
  const command = runCommand({ args: ["serve", "--port", "0", "--default-user", "nobody-knows"] });
  expect((await command.exited()).code).toBe(1);
  expect(command.stderr()).toBe('holdfast: cannot start: no such user: "nobody-knows"\n');
});

test.each(["work", "", "./x"])("does not start with the relative default workdir %j", async (path) => {
  const command = runCommand({
    args: ["serve", "--port", "0", `--default-workdir=${path}`],
    cwd: createTempFolder(),
  });
  expect((await command.exited()).code).toBe(2);
  expect(command.stderr()).toContain("--default-workdir");
});
