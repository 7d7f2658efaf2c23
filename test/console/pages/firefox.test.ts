// The console in Firefox: what a user does first, and what depends on the browser's own ways.

import { expect, onTestFinished, test, vi } from "vitest";
import { createClient } from "../../../src/client/index.ts";
import { startAgent } from "../../support/agent/agent.ts";
import { type FirefoxPage, hasFirefox, startFirefox } from "../../support/clients/firefox.ts";
import { focusTerminal, screenHas, stateIs, terminal } from "../support/console.ts";

vi.setConfig({ testTimeout: 180_000 });

async function startConsole() {
  const agent = await startAgent({ args: ["--console"] });
  const client = createClient({ baseUrl: agent.url });
  onTestFinished(() => client.close());
  const firefox = await startFirefox();
  return {
    agent,
    client,
    open: (fragment = ""): Promise<FirefoxPage> => firefox.open(`${agent.url}/console/${fragment}`),
  };
}

test.runIf(hasFirefox)("the first visit in Firefox shows the table and breaks no policy", async () => {
  const { agent, client, open } = await startConsole();
  (await client.start({ cmd: "sleep", args: ["600"], stdin: false })).detach();
  const page = await open();
  await page.until(`document.querySelectorAll("tbody tr").length === 1`);
  await page.press("Control+Shift+KeyP");
  await page.until(`document.querySelector("dialog[open]")`);
  await page.press("Escape");
  await page.until(`!document.querySelector("dialog[open]")`);
  expect(page.requests.filter((url) => !url.startsWith(`${agent.url}/`) && !url.startsWith("data:"))).toEqual(
    [],
  );
  expect(page.problems).toEqual([]);
  // This is how a violation would show.
  await page.evaluate(
    `void document.body.append(Object.assign(new Image(), { src: "http://127.0.0.1:1/x.png" }))`,
  );
  await expect.poll(() => page.problems.join()).toMatch(/img-src/);
});

test.runIf(hasFirefox)(
  "a terminal in Firefox takes keys, and continues at its byte after each reload",
  async () => {
    const { client, open } = await startConsole();
    const started = await client.start({
      cmd: "bash",
      args: ["--norc", "--noprofile"],
      env: { PS1: "ready> ", HISTFILE: "" },
      pty: terminal,
      output: { detached: "ring" },
    });
    started.detach();
    const page = await open(`#/p/c:${started.processId}`);
    await page.until(stateIs("attached"));
    await page.until(screenHas("ready>"));
    await page.evaluate(focusTerminal);
    await page.insert(`for i in $(seq 300); do echo "line $i"; sleep 0.01; done; echo over-$((1+1))`);
    await page.press("Enter");
    for (let reload = 0; reload < 5; reload++) {
      await page.until(screenHas("line "));
      await page.reload();
      await page.until(stateIs("attached"));
    }
    await page.until(screenHas("over-2"));
    await page.evaluate(focusTerminal);
    await page.press("Alt+F2");
    const text = await page.until<string>(`document.querySelector(".text-view")?.textContent`);
    const lines = text.split("\n").filter((line) => /^line \d+$/.test(line));
    expect(lines).toEqual(Array.from({ length: 300 }, (_, index) => `line ${index + 1}`));
    await page.press("Escape");
    await page.until(`!document.querySelector(".text-view")`);
    // Ctrl with a letter is the program's, also Ctrl-C.
    await page.evaluate(focusTerminal);
    await page.insert("cat");
    await page.press("Enter");
    await page.insert("typed");
    await page.press("Control+KeyC");
    await page.insert("echo after-$((2+2))");
    await page.press("Enter");
    await page.until(screenHas("after-4"));
    expect(page.problems).toEqual([]);
  },
);
