// The checks of `holdfast doctor` that try the real parts: process table, commands, server. A failure has the same message
// as for a client.

import { type CommandSettings, describeStartFailure } from "../../agent/index.ts";
import { type ListenAddress, type NodeResponse, startServer } from "../../http/index.ts";
import type { Logger } from "../../logger.ts";
import { checkUser, type Process, ProcessTable, type StartRequest } from "../../process/index.ts";
import { messageOf } from "../../text.ts";
import { type Finding, fail, ok, warn } from "./finding.ts";
import { agentAt } from "./running-agent.ts";

interface TrialSettings {
  readonly addresses: readonly ListenAddress[];
  readonly commands: CommandSettings;
}

/** A user that every Linux has in addition to root. */
const OTHER_USER = "nobody";
const PIPES: StartRequest["stdio"] = { kind: "pipes", stdin: false };
const TERMINAL: StartRequest["stdio"] = { kind: "pty", size: { cols: 80, rows: 24 } };

/** Resolves when everything that it started has ended. */
export async function trialFindings(settings: TrialSettings): Promise<Finding[]> {
  // The listening socket keeps an agent alive. Here, a timer keeps Node alive while it waits for SIGCHLD.
  const alive = setInterval(() => undefined, 60_000);
  try {
    return await tryAll(settings);
  } finally {
    clearInterval(alive);
  }
}

async function tryAll({ addresses, commands }: TrialSettings): Promise<Finding[]> {
  const remarks: string[] = [];
  let table: ProcessTable;
  try {
    table = createTable(commands, remarks);
  } catch (error) {
    return [fail("agent", messageOf(error), "it does not start")];
  }
  const findings = [
    await commandFinding(table),
    await terminalFinding(table),
    await usersFinding(table),
    await defaultUserFinding(commands.defaultUser),
    prioritiesFinding(remarks),
    await cgroupFinding(table, commands.cgroup),
    ...(await addressFindings(addresses)),
  ];
  await table.shutdown(0);
  return findings.filter((finding) => finding !== undefined);
}

function createTable({ children, cgroup }: CommandSettings, remarks: string[]): ProcessTable {
  const log = (_: object, message: string) => void remarks.push(message);
  return new ProcessTable({ logger: { debug: log, info: log, warn: log, error: log }, children, cgroup });
}

async function commandFinding(table: ProcessTable): Promise<Finding> {
  return runTrial("commands", "no command starts", async () => {
    const { text, status } = await run(table, { cmd: "echo", args: ["works"], stdio: PIPES });
    if (text === "works\n" && status === "exit status 0") return ok("commands", "start and end");
    return fail(
      "commands",
      `echo printed ${JSON.stringify(text)}, ${status}`,
      "output or exit codes are lost",
    );
  });
}

async function terminalFinding(table: ProcessTable): Promise<Finding> {
  return runTrial("terminals", "no command starts on a terminal", async () => {
    const { text } = await run(table, { cmd: "tty", args: [], stdio: TERMINAL });
    if (/^\/dev\/\S+\r\n$/.test(text)) return ok("terminals", `open, as ${text.trim()}`);
    return fail("terminals", `tty printed ${JSON.stringify(text)}`, "commands get no controlling terminal");
  });
}

async function usersFinding(table: ProcessTable): Promise<Finding> {
  if (process.getuid?.() !== 0)
    return warn("users", "not root", "every command runs as the agent's own user");
  return runTrial("users", "commands run as root only", async () => {
    const { text } = await run(table, { cmd: "id", args: ["-un"], stdio: PIPES, user: OTHER_USER });
    if (text === `${OTHER_USER}\n`) return ok("users", "commands run as the user in the request");
    return fail(
      "users",
      `id printed ${JSON.stringify(text)}`,
      "commands do not run as the user in the request",
    );
  });
}

async function defaultUserFinding(name: string | undefined): Promise<Finding | undefined> {
  if (name === undefined) return undefined;
  return runTrial("default user", "the agent does not start", async () => {
    await checkUser(name);
    return ok("default user", name);
  });
}

function prioritiesFinding(remarks: readonly string[]): Finding {
  const about = remarks.filter((remark) => remark.includes("no right to make it"));
  if (about.length === 0) return ok("priorities", "as configured");
  return warn("priorities", about.join("; "), "commands keep the agent's");
}

async function cgroupFinding(table: ProcessTable, path: string | undefined): Promise<Finding | undefined> {
  if (path === undefined) return undefined;
  return runTrial("cgroup", "commands cannot be put there", async () => {
    const { text } = await run(table, { cmd: "grep", args: ["^0:", "/proc/self/cgroup"], stdio: PIPES });
    if (text.trimEnd().endsWith("/user")) return ok("cgroup", path);
    return fail("cgroup", `a command was in ${JSON.stringify(text.trim())}`, "commands escape their limits");
  });
}

async function addressFindings(addresses: readonly ListenAddress[]): Promise<Finding[]> {
  const silent = () => {
    // Nothing is served.
  };
  const logger: Logger = { debug: silent, info: silent, warn: silent, error: silent };
  try {
    const answer = (_: unknown, response: NodeResponse) => void response.writeHead(404).end();
    const server = await startServer({ addresses, answer, logger, allowUnauthenticated: true });
    await server.close(0);
    if (!server.isExposed) return [ok("address", server.url)];
    return [warn("address", server.url, "other machines can reach it: serve needs an access token")];
  } catch (error) {
    const url = urlOf(addresses[0]);
    const running = url === undefined ? undefined : await agentAt(url);
    if (running !== undefined && url !== undefined) return [ok("address", `${url}: ${running}`)];
    return [fail("address", describeStartFailure(error, addresses), "the agent does not start")];
  }
}

/** Where a client on this machine reaches an agent that listens there. */
function urlOf(address: ListenAddress | undefined): string | undefined {
  if (address?.kind === "unix") return `unix:${address.path}`;
  if (address?.kind !== "tcp" || address.port === 0) return undefined;
  const host = ["0.0.0.0", "::"].includes(address.host) ? "127.0.0.1" : address.host;
  return `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`;
}

async function runTrial(check: string, consequence: string, trial: () => Promise<Finding>): Promise<Finding> {
  try {
    return await trial();
  } catch (error) {
    return fail(check, messageOf(error), consequence);
  }
}

async function run(
  table: ProcessTable,
  request: Pick<StartRequest, "cmd" | "args" | "stdio" | "user">,
): Promise<{ readonly text: string; readonly status: string }> {
  return outputOf(await table.start({ environment: {}, cwd: "/", ...request }));
}

function outputOf({ output }: Process): Promise<{ readonly text: string; readonly status: string }> {
  return new Promise((resolve) => {
    let text = "";
    const readAll = () => {
      for (let read = subscriber.read(); read.kind !== "empty"; read = subscriber.read()) {
        if (read.kind === "end") return resolve({ text, status: read.end.status });
        if (read.kind === "chunk") text += read.chunk.data.toString();
        subscriber.delivered();
      }
    };
    const subscriber = output.fork({ onReadable: readAll });
    readAll();
  });
}
