// The console in a frame of another page: shown only to the origins that the agent names.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { startAgent } from "../../support/agent/agent.ts";
import { hasBrowser } from "../../support/clients/browser.ts";
import { type BrowserPage, startBrowser } from "../../support/clients/devtools.ts";

vi.setConfig({ testTimeout: 120_000 });

/** A page with the console in a frame. */
async function frameIn(pageUrl: string, consoleUrl: string): Promise<BrowserPage> {
  const browser = await startBrowser();
  const page = await browser.open(pageUrl);
  await page.evaluate(`new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.onload = resolve;
    frame.src = ${JSON.stringify(consoleUrl)};
    document.body.append(frame);
  })`);
  return page;
}

/** What the page's script asks first. */
const hasRun = ({ requests }: BrowserPage) => requests.some((url) => url.endsWith("/console/session"));

async function startPages(): Promise<string> {
  const server = createServer((_, response) => {
    response.writeHead(200, { "Content-Type": "text/html", Connection: "close" });
    response.end("<!doctype html><title>platform</title><body>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test.runIf(hasBrowser)("no page shows the console in a frame, not even one of another port", async () => {
  const agent = await startAgent({ args: ["--console"] });
  const page = await frameIn(await startPages(), `${agent.url}/console/`);
  await expect.poll(() => page.problems.join()).toContain("frame-ancestors 'none'");
  expect(hasRun(page)).toBe(false);
});

test.runIf(hasBrowser)("a page of an origin that the agent names shows the console in a frame", async () => {
  const platform = await startPages();
  const agent = await startAgent({ args: ["--console", "--console-frame-ancestors", platform] });
  const page = await frameIn(platform, `${agent.url}/console/`);
  await expect.poll(() => hasRun(page)).toBe(true);
  expect(page.problems.filter((problem) => !problem.includes("favicon"))).toEqual([]);
});
