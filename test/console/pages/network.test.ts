// The terminal of the console over a network that fails.

import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { startAgent } from "../../support/agent/agent.ts";
import { hasBrowser } from "../../support/clients/browser.ts";
import { startCuttingProxy } from "../../support/network/cutting-proxy.ts";
import { volume } from "../../support/volume.ts";
import { focusTerminal, screenHas, startConsole, stateIs, terminal } from "../support/console.ts";

vi.setConfig({ testTimeout: 180_000 });

const bash = {
  cmd: "bash",
  args: ["--norc", "--noprofile"],
  env: { PS1: "ready> ", HISTFILE: "" },
  pty: terminal,
};

// ttyd#1232 #1397, myrlin-workbook PR 16, codev#1681.
test.runIf(hasBrowser)(
  "over a connection that is cut again and again, no line is lost or doubled",
  async () => {
    const { agent, browser, start } = await startConsole();
    const proxy = await startCuttingProxy({ port: agent.port, kinds: ["rst", "fin"] });
    const last = volume(3_000, 30_000);
    const { processId } = await start({
      cmd: "sh",
      args: [
        "-c",
        `i=0; while [ $i -lt ${last} ]; do i=$((i+1)); echo "line $i"; [ $((i % 100)) = 0 ] && sleep 0.1; done; echo done; read x`,
      ],
      pty: terminal,
      output: { detached: "block" },
    });
    const page = await browser.open(`${proxy.url}/console/#/p/c:${processId}`);
    for (let cut = 0; cut < volume(6, 60); cut++) {
      await page.until(stateIs("attached"));
      const before = await page.evaluate<string>(`document.querySelector(".xterm-rows").textContent`);
      await page.until(
        `document.querySelector(".xterm-rows").textContent !== ${JSON.stringify(before)} || ${screenHas("done")}`,
      );
      proxy.cut(cut % 2 === 0 ? "rst" : "fin");
    }
    await page.until(screenHas("done"));
    await page.evaluate(focusTerminal);
    await page.press("Alt+F2");
    const text = await page.until<string>(`document.querySelector(".text-view")?.textContent`);
    const numbers = text
      .split("\n")
      .filter((line) => line.startsWith("line "))
      .map((line) => Number(line.slice(5)));
    const first = numbers[0] ?? 0;
    expect(numbers.at(-1)).toBe(last);
    expect(numbers).toEqual(numbers.map((_, index) => first + index));
  },
);

// ttyd drops it without a word.
test.runIf(hasBrowser)(
  "input without a connection is shown as unsent, and arrives once when the connection is back",
  async () => {
    const { agent, browser, start } = await startConsole();
    const proxy = await startCuttingProxy({ port: agent.port });
    const { processId } = await start(bash);
    const page = await browser.open(`${proxy.url}/console/#/p/c:${processId}`);
    await page.until(screenHas("ready>"));
    await page.evaluate(focusTerminal);
    proxy.refusing = true;
    proxy.cut("rst");
    await page.until(stateIs("reconnecting"));
    await page.insert("echo discarded");
    await page.until(`/14 B unsent/.test(document.querySelector(".status").textContent)`);
    await page.press("Escape");
    await page.until(`!/unsent/.test(document.querySelector(".status").textContent)`);
    await page.insert("echo kept-$((20+3))");
    await page.press("Enter");
    await page.until(`/unsent/.test(document.querySelector(".status").textContent)`);
    proxy.refusing = false;
    // As after sleep: the page need not wait for its next try.
    await page.evaluate(`dispatchEvent(new Event("online"))`);
    await page.until(screenHas("kept-23"));
    expect(
      await page.evaluate(`document.querySelector(".xterm-rows").textContent.match(/kept-23/g).length`),
    ).toBe(1);
    expect(await page.evaluate(`document.querySelector(".xterm-rows").textContent`)).not.toContain(
      "discarded",
    );
  },
);

// portainer#2953 #3383, kubernetes#128314.
test.runIf(hasBrowser)("an idle terminal outlives a proxy that cuts idle connections", async () => {
  const { agent, browser, start } = await startConsole();
  const { processId } = await start(bash);
  const idleMs = 15_000;
  let keepalives = 0;
  const sockets = new Set<Socket>();
  const server = createServer((page) => {
    const upstream = connect(agent.port, "127.0.0.1");
    for (const [from, to] of [
      [page, upstream],
      [upstream, page],
    ] as const) {
      sockets.add(from);
      from.on("error", () => to.destroy()).on("close", () => sockets.delete(from));
      from.pipe(to);
    }
    page.on("data", (data: Buffer) => {
      if (!data.includes("/process.Process/Connect")) return;
      upstream.on("data", () => keepalives++);
    });
    page.setTimeout(idleMs, () => {
      page.destroy();
      upstream.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const page = await browser.open(
    `http://127.0.0.1:${(server.address() as AddressInfo).port}/console/#/p/c:${processId}`,
  );
  await page.until(screenHas("ready>"));
  await page.evaluate(`(() => {
    window.states = [];
    new MutationObserver(() => window.states.push(document.querySelector(".status").dataset.state))
      .observe(document.querySelector(".status"), { attributes: true, attributeFilter: ["data-state"] });
  })()`);
  // Nothing is typed or written: each further piece of the stream is a keepalive, ten seconds after the one before.
  const from = keepalives;
  await expect.poll(() => keepalives - from, { timeout: 90_000 }).toBeGreaterThanOrEqual(3);
  expect(await page.evaluate("window.states")).toEqual([]);
  await page.evaluate(focusTerminal);
  await page.insert("echo still-$((40+2))");
  await page.press("Enter");
  await page.until(screenHas("still-42"));
});

test.runIf(hasBrowser)("a terminal that is cut while it is idle comes back, and types once", async () => {
  const { agent, browser, start } = await startConsole();
  const proxy = await startCuttingProxy({ port: agent.port });
  const { processId } = await start(bash);
  const page = await browser.open(`${proxy.url}/console/#/p/c:${processId}`);
  await page.until(screenHas("ready>"));
  for (const [index, kind] of (["rst", "fin", "silent"] as const).entries()) {
    await page.until(stateIs("attached"));
    proxy.cut(kind);
    // A dead network shows itself to nobody; the page learns of the end by the event.
    if (kind === "silent") await page.evaluate(`dispatchEvent(new Event("online"))`);
    await page.evaluate(focusTerminal);
    await page.insert(`echo back-$((${index}+10))`);
    await page.press("Enter");
    await page.until(screenHas(`back-${index + 10}`));
    const count = await page.evaluate(
      `document.querySelector(".xterm-rows").textContent.match(/back-${index + 10}/g).length`,
    );
    expect(count).toBe(1);
  }
});

test.runIf(hasBrowser)("a page whose agent was started again says so, and its pane too", async () => {
  const { agent, browser, start } = await startConsole();
  const { processId } = await start(bash);
  const page = await browser.open(`${agent.url}/console/#/p/c:${processId}`);
  await page.until(screenHas("ready>"));
  // The page knows the instance by then.
  await page.until(
    `performance.getEntriesByName(new URL("../process.Process/List", location.href).href).length > 2`,
  );
  // An agent that stops in order ends its processes first.
  agent.kill("SIGKILL");
  await agent.exited();
  await page.until(stateIs("reconnecting"));
  await startAgent({ args: ["--console", "--port", String(agent.port)] });
  await page.evaluate(`dispatchEvent(new Event("online"))`);
  await page.until(`/was restarted/.test(document.querySelector(".warning")?.textContent ?? "")`);
  await page.until(stateIs("gone"));
  await page.until(
    `/restarted, and this process is gone/.test(document.querySelector(".status").textContent)`,
  );
  expect(await page.evaluate(screenHas("ready>"))).toBe(true);
});

test.runIf(hasBrowser)("a page whose agent has stopped says so, and keeps the screen", async () => {
  const { agent, browser, start } = await startConsole();
  const { processId } = await start(bash);
  const page = await browser.open(`${agent.url}/console/#/p/c:${processId}`);
  await page.until(screenHas("ready>"));
  await agent.stop();
  await page.until(`/ended|reconnecting/.test(document.querySelector(".status").dataset.state)`);
  await page.until(`/does not answer/.test(document.body.textContent)`);
  await page.until(`/No answer for [1-9]/.test(document.body.textContent)`);
  expect(await page.evaluate(screenHas("ready>"))).toBe(true);
});
