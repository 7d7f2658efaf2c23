// A real reverse proxy (nginx, haproxy, caddy) in front of an agent, with a configuration of
// examples/proxies or one of the test's own. It is stopped when its test is finished.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { freePort } from "../clients/browser.ts";
import { eventually } from "../proc/proc.ts";
import { hasPrograms } from "../programs.ts";
import { createTempFolder } from "../temp-folder.ts";

export type ProxyName = "nginx" | "haproxy" | "caddy";

export interface ReverseProxy {
  /** For HTTP/1.1. */
  readonly port: number;
  readonly url: string;
  /** For HTTP/2 without TLS. */
  readonly http2Port: number;
  /** Ends all its connections, and starts it again on the same ports. */
  restart(): Promise<void>;
}

export function hasProxy(name: ProxyName): boolean {
  return hasPrograms(`tests behind ${name}`, name);
}

/** The content of a file in examples/proxies. */
export function exampleConfig(file: string): string {
  return readFileSync(fileURLToPath(new URL(`../../../examples/proxies/${file}`, import.meta.url)), "utf8");
}

/**
 * `config` is a complete configuration as in examples/proxies, with the addresses used there:
 * 127.0.0.1:8080 and 8081 for clients, 127.0.0.1:49983 for the agent.
 */
export async function startProxy(
  name: ProxyName,
  config: string,
  { agentPort }: { readonly agentPort: number },
): Promise<ReverseProxy> {
  const port = await freePort();
  const http2Port = name === "caddy" ? port : await freePort();
  const folder = createTempFolder();
  const file = join(folder, name === "caddy" ? "Caddyfile" : `${name}.cfg`);
  writeFileSync(
    file,
    config
      .replaceAll(":49983", `:${agentPort}`)
      .replaceAll(":8080", `:${port}`)
      .replaceAll(":8081", `:${http2Port}`),
  );
  let running = await start(name, file, folder, port);
  onTestFinished(() => stop(running));
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    http2Port,
    restart: async () => {
      await stop(running);
      running = await start(name, file, folder, port);
    },
  };
}

interface Running {
  readonly child: ChildProcess;
  readonly name: ProxyName;
}

async function start(name: ProxyName, file: string, folder: string, port: number): Promise<Running> {
  const child = spawn(name, argsOf(name, file, folder), {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-4_000);
    });
  await eventually(
    `${name} accepts connections`,
    () => {
      if (child.exitCode !== null) throw new Error(`${name} ended: ${output}`);
      return accepts(port);
    },
    () => output,
  );
  return { child, name };
}

function argsOf(name: ProxyName, file: string, folder: string): string[] {
  switch (name) {
    case "nginx":
      return ["-p", folder, "-c", file, "-g", `daemon off; pid ${folder}/nginx.pid; error_log stderr;`];
    case "haproxy":
      return ["-f", file];
    case "caddy":
      return ["run", "--config", file, "--adapter", "caddyfile"];
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  return new Promise((resolve) => {
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  }).then((isUp) => {
    socket.destroy();
    return isUp === true;
  });
}

/** nginx ends its workers at SIGTERM; caddy would wait for its connections. */
async function stop({ child, name }: Running): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(name === "nginx" ? "SIGTERM" : "SIGKILL");
  await exited;
}
