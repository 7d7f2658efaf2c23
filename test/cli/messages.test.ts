// The message of each failure: one line with the problem and the fix. One row per failure.
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { Process } from "../../src/gen/process_pb.ts";
import { agentForFile } from "../client/file-agent.ts";
import { type RunningCommand, runCommand, startAgent } from "../support/agent/agent.ts";
import { exampleConfig, hasProxy, startProxy } from "../support/network/reverse-proxy.ts";
import { finished, holdfast } from "./holdfast.ts";

const agent = agentForFile({ env: { HOLDFAST_ACCESS_TOKEN: undefined } });
const pem = (name: string) => fileURLToPath(new URL(`../fixtures/tls/${name}.pem`, import.meta.url));
const TOKEN = "a-secret-of-16-or-more";

/** Addresses by name, filled before the tests. */
const place: Record<string, string> = {};
let secure: RunningCommand;

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-test-"));
  const files = {
    token: TOKEN,
    wrong: "another-secret-of-16",
    twoWords: "two words",
    notPem: "no certificate",
  };
  for (const [name, content] of Object.entries(files)) {
    place[name] = join(folder, name);
    writeFileSync(place[name], content, { mode: 0o600 });
  }
  place["missing"] = join(folder, "missing");
  place["socket"] = `unix:${join(folder, "socket")}`;
  const args = ["serve", "--port", "0", "--tls-cert", pem("cert"), "--tls-key", pem("key")];
  secure = runCommand({ args: [...args, "--access-token-file", place["token"] ?? ""] });
  const [, port = ""] = await secure.waitFor("stdout", /^holdfast listening on https:.*:(\d+)\n/m);
  place["plain"] = `http://127.0.0.1:${port}`;
  place["tls"] = `https://127.0.0.1:${port}`;
  place["tlsOfPlain"] = agent.url.replace("http:", "https:");
  return async () => {
    await secure.stop();
    rmSync(folder, { recursive: true });
  };
});

/** "{name}" stands for a place. */
const filled = (text: string) => text.replace(/\{(\w+)\}/g, (_, name: string) => place[name] ?? agent.url);

const failures: [failure: string, args: string[], line: string][] = [
  ["a typing error", ["lgos", "x"], "unknown command 'lgos' (Did you mean logs?)"],
  [
    "a word of docker",
    ["rmi", "x"],
    "'rmi' is not a command of holdfast. The agent runs commands of its own machine and has no images.",
  ],
  [
    "a word of docker with another name here",
    ["stop", "web"],
    "'stop' is not a command of holdfast. Use: holdfast kill -s TERM NAME",
  ],
  ["two words of kubectl", ["get", "pods"], "'get pods' is not a command of holdfast. Use: holdfast ps"],
  [
    "a word of kubectl",
    ["describe", "pod"],
    "'describe' is not a command of holdfast. Use: holdfast inspect NAME",
  ],
  [
    "a command with the noun of kubectl",
    ["top", "pods"],
    "'top pods' is not a command of holdfast. Use: holdfast top",
  ],
  ["a noun of kubectl alone", ["pods"], "'pods' is not a command of holdfast. Use: holdfast ps"],
  [
    "the name of another program",
    ["docker", "ps"],
    "'docker' is not a command of holdfast. Most of its commands have the same name here. Use: holdfast help; to run it there: holdfast run -- docker",
  ],
  ["a word of tmux", ["new-session"], "'new-session' is not a command of holdfast. Use: holdfast shell NAME"],
  [
    "a flag with a typing error",
    ["ps", "--fliter", "x"],
    "unknown option '--fliter' (Did you mean --filter?)",
  ],
  [
    "a closed port",
    ["--url", "127.0.0.1:1", "ps"],
    "no agent at http://127.0.0.1:1: nothing listens there (--url or HOLDFAST_URL says where it is)",
  ],
  [
    "a socket that is not there",
    ["--url", "{socket}", "ps"],
    "no agent at {socket}: there is no such socket (--url or HOLDFAST_URL says where it is)",
  ],
  [
    "a name without an address",
    ["--url", "no-such-host.invalid", "ps"],
    "no agent at http://no-such-host.invalid:49983: the name has no address (--url or HOLDFAST_URL says where it is)",
  ],
  [
    "plain HTTP to a port for TLS",
    ["--url", "{plain}", "ps"],
    "no agent at {plain}: TLS is spoken there; use {tls} (--url or HOLDFAST_URL says where it is)",
  ],
  [
    "TLS to a port for plain HTTP",
    ["--url", "{tlsOfPlain}", "ps"],
    "no agent at {tlsOfPlain}: the program that listens there does not speak TLS; name it with http: instead of https: (--url or HOLDFAST_URL says where it is)",
  ],
  [
    "a certificate that is not trusted",
    ["--url", "{tls}", "ps"],
    "no agent at {tls}: its certificate is not trusted; --ca names the file with the certificates to trust (--url or HOLDFAST_URL says where it is)",
  ],
  [
    "certificates that cannot be read",
    ["--url", "{tls}", "--ca", "{missing}", "ps"],
    "the certificates cannot be read: ENOENT: no such file or directory, open '{missing}' (--ca or HOLDFAST_CA names the file)",
  ],
  [
    "a file without certificates",
    ["--url", "{tls}", "--ca", "{notPem}", "ps"],
    "the file {notPem} holds no PEM certificate: it needs a line -----BEGIN CERTIFICATE----- (--ca or HOLDFAST_CA names the file)",
  ],
  [
    "no token where one is needed",
    ["--url", "{tls}", "--ca", pem("cert"), "ps"],
    "the agent at {tls} needs an access token: write it into a file and name the file with --access-token-file or HOLDFAST_ACCESS_TOKEN_FILE",
  ],
  [
    "a wrong token",
    ["--url", "{tls}", "--ca", pem("cert"), "--access-token-file", "{wrong}", "ps"],
    "the agent at {tls} refuses the access token of the file {wrong}: wrong access token",
  ],
  [
    "a token file that is not there",
    ["--access-token-file", "{missing}", "ps"],
    "the access token file {missing} cannot be used. It cannot be read: ENOENT: no such file or directory, open '{missing}'. (--access-token-file or HOLDFAST_ACCESS_TOKEN_FILE names the file)",
  ],
  [
    "a token that is none",
    ["--access-token-file", "{twoWords}", "ps"],
    "the access token file {twoWords} cannot be used. An access token is one line of 1 to 4096 letters, digits and signs, without blanks. (--access-token-file or HOLDFAST_ACCESS_TOKEN_FILE names the file)",
  ],
  [
    "a process that is not there",
    ["logs", "nobody"],
    'no process has the pid, tag or process_id "nobody" (holdfast ps --all lists them)',
  ],
];

test.each(failures)("%s is one line that says what to do", async (_, args, line) => {
  const { code, stdout, stderr } = await finished(holdfast(agent.url, args.map(filled)));
  expect(stderr).toBe(`holdfast: ${filled(line)}\n`);
  expect(stdout).toBe("");
  expect([1, 2]).toContain(code);
});

test("plain HTTP to a port for TLS ends run at once, instead of trying again", async () => {
  const { code, stderr } = await finished(holdfast(place["plain"] ?? "", ["run", "true"]));
  expect(code).toBe(125);
  expect(stderr).toContain(`TLS is spoken there; use ${place["tls"]} `);
});

test.runIf(hasProxy("nginx"))(
  "a proxy whose agent is gone is named as a proxy by doctor, and the command says the status",
  async () => {
    const gone = await startAgent();
    const proxy = await startProxy("nginx", exampleConfig("nginx.conf"), { agentPort: gone.port });
    await gone.stop();
    const { code, stderr } = await finished(holdfast(proxy.url, ["ps"]));
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `holdfast: the agent at ${proxy.url} does not answer: a proxy in between says HTTP 502; start the agent, or try again\n`,
    });
    const found = await finished(holdfast("", ["doctor", "--url", proxy.url]));
    expect(found.stdout).toMatch(
      /^fail +connection +HTTP 502: a proxy answers, and its agent does not: start the agent$/m,
    );
  },
);

test("an agent that was restarted does not know the process, and the message says so", async () => {
  const first = await startAgent();
  const attached = holdfast(first.url, ["run", "--", "sh", "-c", "echo ready; exec sleep 1000"]);
  await attached.waitFor("stdout", /ready/);
  first.kill("SIGKILL");
  await first.exited();
  const second = await startAgent({ args: ["--port", String(first.port)] });
  expect(second.port).toBe(first.port);
  const { code, stderr } = await finished(attached);
  expect(code).toBe(125);
  expect(stderr).toMatch(/no process with process_id "[\da-f-]+": .*the agent was restarted/);
});

/** An agent without any of holdfast's additions. */
async function oldAgent(): Promise<string> {
  const server = createServer(
    connectNodeAdapter({
      routes: (router) =>
        router.service(Process, {
          list: () => ({ processes: [{ pid: 7, tag: "old", config: { cmd: "sleep" } }] }),
          async *connect() {
            yield { event: { event: { case: "start" as const, value: { pid: 7 } } } };
          },
        }),
    }),
  );
  onTestFinished(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test.each([
  [
    ["logs", "--timestamps", "old"],
    "the agent is too old to know when it read the output: update it, or leave out --since and --timestamps",
  ],
  [["logs", "old"], "the agent sent no process_id, so its streams cannot be resumed: it is not holdfast"],
])("an agent that is too old for %j is one line", async (args, line) => {
  expect(await finished(holdfast(await oldAgent(), args))).toEqual({
    code: 1,
    stdout: "",
    stderr: `holdfast: ${line}\n`,
  });
});

test("version says that an agent is older than this command", async () => {
  const { stdout } = await finished(holdfast(await oldAgent(), ["version"]));
  expect(stdout).toContain("agent   older than this command, or not holdfast, at http://");
});
