// The memory that the console costs the agent: at most 1 MB after a browser has loaded all of it,
// and 2 MB with an open dashboard, each compared with the same agent before.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { cliPath, startAgent } from "../support/agent/agent.ts";
import { rssBytes } from "../support/proc/proc.ts";

const manifest = join(dirname(dirname(cliPath)), "console/manifest.json");
const MB = 1_000_000;

async function load(url: string, path: string): Promise<void> {
  const response = await fetch(url + path, { headers: { "Accept-Encoding": "br" } });
  expect({ path, status: response.status }).toEqual({ path, status: 200 });
  await response.arrayBuffer();
}

/** The smallest of several looks: garbage that is collected meanwhile does not count. */
async function settledBytes(pid: number, request: () => Promise<void>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 20; look++) {
    await request();
    least = Math.min(least, rssBytes(pid));
  }
  return least;
}

test.runIf(existsSync(manifest))(
  "serving the whole console costs at most 1 MB, and an open dashboard 2 MB",
  async () => {
    const agent = await startAgent({ args: ["--console", "--page-out", "no"] });
    const metrics = () => load(agent.url, "/metrics");
    // The heap grows with the first requests, whatever they are for.
    for (let request = 0; request < 300; request++) await metrics();
    const before = await settledBytes(agent.pid, metrics);
    const { files } = JSON.parse(readFileSync(manifest, "utf8")) as { files: readonly { path: string }[] };
    for (const { path } of files) await load(agent.url, `/console/${path}`);
    expect((await settledBytes(agent.pid, metrics)) - before).toBeLessThan(MB);

    const list = async () => {
      const response = await fetch(`${agent.url}/process.Process/List`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ includeEnded: true, sinceRevision: "1", agent: true }),
      });
      await response.arrayBuffer();
    };
    // Any client's first call loads the RPCs.
    await list();
    const loaded = await settledBytes(agent.pid, metrics);
    for (let poll = 0; poll < 120; poll++) await list();
    expect((await settledBytes(agent.pid, metrics)) - loaded).toBeLessThan(2 * MB);
  },
);
