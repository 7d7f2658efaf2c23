// `--listen unix:/path`: permissions, existing files at the path, and removal of the file.

import { lstatSync, readFileSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type RunningCommand, runCommand } from "../support/agent/agent.ts";
import { createTempFolder } from "../support/temp-folder.ts";

function serveOn(path: string, args: readonly string[] = [], prefix: readonly string[] = []): RunningCommand {
  return runCommand({ args: ["serve", "--listen", `unix:${path}`, ...args], prefix });
}

async function startOn(path: string, args: readonly string[] = []): Promise<RunningCommand> {
  const agent = serveOn(path, args);
  await agent.waitFor("stdout", /^holdfast listening on unix:.*\n/m);
  return agent;
}

const socketPath = () => join(createTempFolder(), "agent.sock");
const mode = (path: string) => (lstatSync(path).mode & 0o777).toString(8);

function health(socketPath: string, host = "localhost"): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    httpRequest({ socketPath, path: "/health", headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
  });
}

test("it answers there with any Host, over HTTP/1.1 and h2c, and its line on stdout names the path", async () => {
  const path = socketPath();
  const agent = await startOn(path);
  expect(agent.stdout()).toBe(`holdfast listening on unix:${path}\n`);
  expect(await health(path, "anything.example")).toBe(204);
  const session = connectHttp2("http://localhost", { createConnection: () => connect(path) });
  onTestFinished(() => session.destroy());
  const stream = session.request({ ":path": "/health" });
  const status = await new Promise((resolve, reject) => {
    stream.on("response", (headers) => resolve(headers[":status"])).on("error", reject);
  });
  expect(status).toBe(204);
});

test("a command runs over it, and its output is complete", async () => {
  const path = socketPath();
  await startOn(path);
  const message = JSON.stringify({ process: { cmd: "seq", args: ["200000"] } });
  const body = Buffer.concat([Buffer.alloc(5), Buffer.from(message)]);
  body.writeUInt32BE(message.length, 1);
  const answer = await new Promise<Buffer>((resolve, reject) => {
    const request = httpRequest(
      {
        socketPath: path,
        method: "POST",
        path: "/process.Process/Start",
        headers: { "content-type": "application/connect+json" },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response
          .on("data", (chunk: Buffer) => chunks.push(chunk))
          .on("end", () => resolve(Buffer.concat(chunks)));
      },
    );
    request.on("error", reject).end(body);
  });
  const pieces = [...answer.toString("latin1").matchAll(/"stdout":"([^"]*)"/g)];
  const output = Buffer.concat(pieces.map(([, piece = ""]) => Buffer.from(piece, "base64"))).toString();
  expect(output.length).toBe(1_288_895);
  expect(output.endsWith("\n200000\n")).toBe(true);
});

test.each([
  [[], "600"],
  [["--socket-mode", "0660"], "660"],
  [["--socket-mode", "777"], "777"],
])("with %j its mode is %s, with any umask", async (args, expected) => {
  const path = socketPath();
  const agent = serveOn(path, args, ["sh", "-c", 'umask 0; exec "$@"', "sh"]);
  await agent.waitFor("stdout", /listening/);
  expect(mode(path)).toBe(expected);
});

test.each(["SIGTERM", "SIGINT"] as const)("after %s the file is gone", async (signal) => {
  const path = socketPath();
  const agent = await startOn(path);
  agent.kill(signal);
  expect(await agent.exited()).toEqual({ code: 0, signal: null });
  expect(lstatSync(path, { throwIfNoEntry: false })).toBeUndefined();
});

test("the file of an agent that was killed is replaced by the next one", async () => {
  const path = socketPath();
  const killed = await startOn(path);
  killed.kill("SIGKILL");
  await killed.exited();
  expect(lstatSync(path).isSocket()).toBe(true);
  await startOn(path);
  expect(await health(path)).toBe(204);
});

test("a socket on which another program answers is left alone", async () => {
  const path = socketPath();
  await startOn(path);
  const second = serveOn(path);
  expect(await second.exited()).toEqual({ code: 1, signal: null });
  expect(second.stderr()).toBe(
    `holdfast: cannot start: cannot listen on unix:${path}: another program is listening there\n`,
  );
  expect(await health(path)).toBe(204);
});

test("a socket whose owner is too busy to accept is also left alone", async () => {
  const path = socketPath();
  // This test blocks its own event loop while the agent starts: connections wait in the kernel.
  const owner = createServer({ pauseOnConnect: true });
  onTestFinished(() => void owner.close());
  await new Promise<void>((resolve) => owner.listen({ path, backlog: 1 }, resolve));
  const second = serveOn(path);
  expect(await second.exited()).toEqual({ code: 1, signal: null });
  expect(lstatSync(path).isSocket()).toBe(true);
});

test("a file that is not a socket is left unchanged", async () => {
  const path = socketPath();
  writeFileSync(path, "precious");
  const agent = serveOn(path);
  expect(await agent.exited()).toEqual({ code: 1, signal: null });
  expect(agent.stderr()).toContain("not a socket");
  expect(readFileSync(path, "utf8")).toBe("precious");
});

test.each([
  ["unix:agent.sock", "absolute path"],
  ["/run/agent.sock", "unix: and an absolute path"],
  ["unix:", "absolute path"],
  ["unix:/tmp/", "absolute path"],
  [`unix:/tmp/${"x".repeat(108)}`, "Linux takes 107"],
])("--listen %s is one line and exit code 2", async (address, says) => {
  const command = runCommand({ args: ["serve", "--listen", address] });
  expect(await command.exited()).toEqual({ code: 2, signal: null });
  expect(command.stderr()).toContain(says);
});

test("a missing folder is one line and exit code 1", async () => {
  const path = join(createTempFolder(), "missing", "agent.sock");
  const agent = serveOn(path);
  expect(await agent.exited()).toEqual({ code: 1, signal: null });
  expect(agent.stderr()).toMatch(/^holdfast: cannot start: cannot listen on unix:.*\n$/);
});
