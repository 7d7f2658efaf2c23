// systemd's socket activation: descriptor 3 listens before the agent starts. Here, a few lines of Python replace systemd:
// they bind, move the socket to descriptor 3, and exec.

import { lstatSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type RunningCommand, runCommand } from "../support/agent/agent.ts";
import { upgrade } from "../support/agent/upgrade.ts";
import { callRpc, encodeBody } from "../support/clients/rpc-call.ts";
import { needPrograms } from "../support/programs.ts";
import { createTempFolder } from "../support/temp-folder.ts";

/** `bind` creates the socket `s`; `pid` is the value of LISTEN_PID. */
function activated(
  bind: string,
  { pid = "os.getpid()", fds = "1", args = [] as string[] } = {},
): RunningCommand {
  const script = `
import os, socket, sys
${bind}
os.dup2(s.fileno(), 3)
for fd in range(3, 3 + ${fds}): os.set_inheritable(fd, True)
os.environ.update(LISTEN_PID=str(${pid}), LISTEN_FDS="${fds}", LISTEN_FDNAMES="holdfast.socket")
os.execvp(sys.argv[1], sys.argv[1:])
`;
  needPrograms("python3");
  return runCommand({ args: ["serve", "--port", "0", ...args], prefix: ["python3", "-c", script] });
}

const onTcp = (host: string) =>
  `s = socket.create_server(("${host}", 0)); print("port", s.getsockname()[1], flush=True)`;

async function portOf(agent: RunningCommand): Promise<number> {
  const [, port] = await agent.waitFor("stdout", /^port (\d+)$/m);
  return Number(port);
}

test("the agent listens on a passed TCP socket, and no command sees the variables or the socket", async () => {
  const agent = activated(onTcp("127.0.0.1"));
  const port = await portOf(agent);
  await agent.waitFor("stdout", new RegExp(`^holdfast listening on http://127\\.0\\.0\\.1:${port}$`, "m"));
  const process = { cmd: "sh", args: ["-c", "env; ls -l /proc/self/fd"] };
  const body = encodeBody("Connect JSON", "Start", [{ process }]);
  const { messages } = await callRpc(port, "Connect JSON", { rpc: "Start", body });
  const printed = messages
    .map((message) => JSON.parse(String(message)) as { event: { data?: { stdout?: string } } })
    .map(({ event }) => Buffer.from(event.data?.stdout ?? "", "base64").toString())
    .join("");
  expect(printed).toContain("PATH=");
  expect(printed).not.toMatch(/LISTEN_|socket:/);
});

test("the agent listens on a passed Unix socket, and leaves the file to its owner", async () => {
  const path = join(createTempFolder(), "agent.sock");
  const agent = activated(`s = socket.socket(socket.AF_UNIX); s.bind("${path}"); s.listen()`);
  await agent.waitFor("stdout", /^holdfast listening on fd:3$/m);
  const status = await new Promise((resolve, reject) => {
    request({ socketPath: path, path: "/health", headers: { host: "any.example" } }, (response) =>
      resolve(response.resume().statusCode),
    )
      .on("error", reject)
      .end();
  });
  expect(status).toBe(204);
  expect(await agent.stop()).toEqual({ code: 0, signal: null });
  expect(lstatSync(path).isSocket()).toBe(true);
});

test("the agent listens on both of two sockets", async () => {
  const second = "t = socket.create_server(('127.0.0.1', 0)); os.dup2(t.fileno(), 4)";
  // From 5 on: the copy to 3 or 4 would close a lower one.
  const high = "import fcntl; s = socket.socket(fileno=fcntl.fcntl(s.detach(), fcntl.F_DUPFD, 10))";
  const agent = activated(
    `${onTcp("127.0.0.1")}\n${high}\n${second}\nprint("other", t.getsockname()[1], flush=True)`,
    {
      fds: "2",
    },
  );
  const port = await portOf(agent);
  const [, other] = await agent.waitFor("stdout", /^other (\d+)$/m);
  await agent.waitFor("stdout", /^holdfast listening on /m);
  for (const each of [port, Number(other)])
    expect((await fetch(`http://127.0.0.1:${each}/health`)).status).toBe(204);
});

test("through upgrades, the agent listens on both of two passed sockets, and commands see neither", async () => {
  const second = "t = socket.create_server(('127.0.0.1', 0)); os.dup2(t.fileno(), 4)";
  const high = "import fcntl; s = socket.socket(fileno=fcntl.fcntl(s.detach(), fcntl.F_DUPFD, 10))";
  const agent = activated(
    `${onTcp("127.0.0.1")}\n${high}\n${second}\nprint("other", t.getsockname()[1], flush=True)`,
    { fds: "2" },
  );
  const port = await portOf(agent);
  const [, other] = await agent.waitFor("stdout", /^other (\d+)$/m);
  await agent.waitFor("stdout", /^holdfast listening on /m);
  const { stderr } = agent;
  for (let count = 0; count < 2; count++) {
    await upgrade({ url: `http://127.0.0.1:${port}`, stderr });
    for (const each of [port, Number(other)])
      expect((await fetch(`http://127.0.0.1:${each}/health`)).status).toBe(204);
  }
  const process = { cmd: "sh", args: ["-c", "env; ls -l /proc/self/fd"] };
  const body = encodeBody("Connect JSON", "Start", [{ process }]);
  const { messages } = await callRpc(Number(other), "Connect JSON", { rpc: "Start", body });
  const printed = messages
    .map((message) => JSON.parse(String(message)) as { event: { data?: { stdout?: string } } })
    .map(({ event }) => Buffer.from(event.data?.stdout ?? "", "base64").toString())
    .join("");
  expect(printed).toContain("PATH=");
  expect(printed).not.toMatch(/LISTEN_|HOLDFAST_STATE|socket:/);
});

test("a passed socket that other machines can reach needs a token", async () => {
  const agent = activated(onTcp("0.0.0.0"));
  expect(await agent.exited()).toEqual({ code: 1, signal: null });
  expect(agent.stderr()).toContain("no access token is set");
});

test("variables for another process are ignored", async () => {
  const agent = activated(onTcp("127.0.0.1"), { pid: "os.getpid() + 1" });
  const port = await portOf(agent);
  const [, own] = await agent.waitFor("stdout", /^holdfast listening on http:\/\/127\.0\.0\.1:(\d+)$/m);
  expect(Number(own)).not.toBe(port);
});

test.each([
  ["a file", 's = open("/dev/null")'],
  ["a socket that does not listen", "s = socket.socket()"],
])("%s at descriptor 3 is one line and exit code 1", async (_, bind) => {
  const agent = activated(bind);
  expect(await agent.exited()).toEqual({ code: 1, signal: null });
  expect(agent.stderr()).toBe(
    "holdfast: cannot start: descriptor 3 is not a listening socket (LISTEN_FDS)\n",
  );
});
