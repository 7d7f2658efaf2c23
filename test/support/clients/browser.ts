// A real browser without a window: Debian's chromium, which loads one page and runs its script.

import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { hasPrograms } from "../programs.ts";
import { createTempFolder } from "../temp-folder.ts";

export const hasBrowser = hasPrograms("tests in a browser", "chromium");

const DEADLINE_MS = 45_000;

export interface Visit {
  /** The host name of the page; every name resolves to 127.0.0.1. */
  readonly name: string;
  /**
   * The page's script, in a module. `agent` is the agent's origin, and `rebind()` makes the page's
   * own name and port lead to the agent. The visit resolves with the argument of `report`.
   */
  readonly script: string;
  readonly agentPort: number;
  /** The page's port, if it must be known in advance. */
  readonly pagePort?: number;
}

/** A port for a page, free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createTcpServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function visit({ name, script, agentPort, pagePort = 0 }: Visit): Promise<unknown> {
  let report: (value: unknown) => void = () => undefined;
  const reported = new Promise((resolve) => {
    report = resolve;
  });
  // Reports arrive here, wherever the page's own name leads by then.
  const reports = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request
      .on("data", (chunk: Buffer) => chunks.push(chunk))
      .on("end", () => {
        response.writeHead(204).end();
        report(JSON.parse(Buffer.concat(chunks).toString()));
      });
  });
  const reportPort = await listen(reports);
  const page = pageWith(script, agentPort, reportPort);
  const pages = createServer((request, response) => {
    if (request.url === "/rebind") target = agentPort;
    response.writeHead(200, { "Content-Type": "text/html", Connection: "close" });
    response.end(page);
  });
  let target = await listen(pages);
  // Where the name leads: at first to the page's server, after the rebinding to the agent.
  const sockets = new Set<Socket>();
  const relay = createTcpServer((client) => {
    const server = connect({ port: target, host: "127.0.0.1" });
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket));
    }
    client.pipe(server).pipe(client);
  });
  const port = await listen(relay, pagePort);
  const browser = startBrowser(`http://${name}:${port}/`);
  onTestFinished(async () => {
    await ended(browser);
    for (const socket of sockets) socket.destroy();
    for (const server of [relay, pages, reports]) server.close();
    for (const server of [pages, reports]) server.closeAllConnections();
  });
  const late = new Promise((_, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`the page reported nothing in ${DEADLINE_MS} ms`)),
      DEADLINE_MS,
    );
    onTestFinished(() => clearTimeout(timer));
  });
  return Promise.race([reported, late]);
}

function pageWith(script: string, agentPort: number, reportPort: number): string {
  return `<!doctype html><title>page</title><script type="module">
const agent = "http://127.0.0.1:${agentPort}";
const rebind = () => fetch("/rebind");
const report = (value) =>
  fetch("http://127.0.0.1:${reportPort}/", { method: "POST", mode: "no-cors", body: JSON.stringify(value) });
try {
${script}
} catch (error) {
  report(String(error.stack ?? error));
}
</script>`;
}

function startBrowser(url: string): ChildProcess {
  const profile = createTempFolder();
  const flags = [
    "--headless=new",
    // The browser runs as root here, and loads only this test's own pages.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--remote-debugging-port=0",
    `--user-data-dir=${profile}`,
    "--host-resolver-rules=MAP * 127.0.0.1",
  ];
  // A process group: the browser starts many processes, and all of them must end.
  return spawn("chromium", [...flags, url], {
    stdio: "ignore",
    detached: true,
    env: { ...process.env, HOME: profile, TMPDIR: profile },
  });
}

async function ended(browser: ChildProcess): Promise<void> {
  if (browser.pid === undefined) return;
  const gone = new Promise((resolve) => browser.once("close", resolve));
  if (browser.exitCode === null && browser.signalCode === null) {
    process.kill(-browser.pid, "SIGKILL");
    await gone;
  }
}

function listen(
  server: { listen(port: number, host: string, done: () => void): unknown; address(): unknown },
  port = 0,
) {
  return new Promise<number>((resolve) => {
    server.listen(port, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
