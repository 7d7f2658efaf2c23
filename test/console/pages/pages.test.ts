// The pages around the terminal: first visit, login, what a read-only token sees, accessibility, files.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { expect, test, vi } from "vitest";
import { hasBrowser } from "../../support/clients/browser.ts";
import type { BrowserPage } from "../../support/clients/devtools.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { screenHas, startConsole, stateIs, terminal } from "../support/console.ts";

vi.setConfig({ testTimeout: 120_000 });

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}

async function violations(page: BrowserPage): Promise<string[]> {
  await page.send("Runtime.evaluate", { expression: axe.source });
  const found = await page.evaluate<Violation[]>(
    `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
      violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html }) => ({ html })) })))`,
  );
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(" | ")}`);
}

test.runIf(hasBrowser)(
  "the first visit takes few requests, all to the agent, and breaks no policy",
  async () => {
    const { agent, open, start } = await startConsole();
    await start({ cmd: "sleep", args: ["600"] });
    const page = await open();
    await page.until(`document.querySelectorAll("tbody tr").length === 1`);
    const own = page.requests.filter((url) => !url.startsWith("data:"));
    expect(own.filter((url) => !url.startsWith(`${agent.url}/`))).toEqual([]);
    // index.html, script, its shared chunk, style, session, List; then machine metrics and polls.
    expect(own.slice(0, 6).map((url) => new URL(url).pathname)).toContain("/console/session");
    expect(page.problems).toEqual([]);
  },
);

test.runIf(hasBrowser)("a link with a code logs in once, and leaves no code in the address", async () => {
  const { agent, open, browser } = await startConsole({ token: "secret-of-the-test" });
  const answer = await fetch(`${agent.url}/console/code`, {
    method: "POST",
    headers: { "X-Access-Token": "secret-of-the-test", "Content-Type": "application/json" },
    body: JSON.stringify({ scope: "observe" }),
  });
  const { code } = (await answer.json()) as { code: string };
  const page = await open(`#code=${code}`);
  await page.until(`document.querySelector(".badge")?.textContent === "read only"`);
  expect(await page.evaluate("location.href")).not.toContain("code");
  // No control that the token cannot use.
  expect(await page.evaluate(`document.querySelector("header .primary")`)).toBe(null);
  await page.reload();
  await page.until(`document.querySelector(".badge")`);
  const second = await browser.open(`${agent.url}/console/#code=${code}`);
  await second.until(`/expired or was used/.test(document.body.innerText)`);
  // A pasted token.
  await second.until(`document.activeElement?.matches("input[type=password]")`);
  await second.insert("secret-of-the-test");
  await second.press("Enter");
  await second.until(`document.querySelector("header .primary")`);
  expect(
    await second.evaluate("JSON.stringify(sessionStorage) + JSON.stringify(localStorage)"),
  ).not.toContain("secret-of-the-test");
});

test.runIf(hasBrowser)("axe finds nothing on any page, light or dark", async () => {
  const { open, start } = await startConsole();
  const { processId } = await start({ cmd: "bash", args: ["--norc"], tag: "shell", pty: terminal });
  await start({ cmd: "sh", args: ["-c", "echo out; echo err >&2; sleep 600"] });
  const page = await open();
  await page.until(`document.querySelectorAll("tbody tr").length === 2`);
  const states: [string, string][] = [
    ["#/", `document.querySelectorAll("tbody tr").length === 2`],
    ["#/start", `document.querySelector("form.start")`],
    ["#/files/", `document.querySelector(".entries tbody tr")`],
    [`#/p/c:${processId}`, stateIs("attached")],
    [`#/p/l:${processId}`, stateIs("attached")],
    ["#/player", `document.querySelector(".player")`],
  ];
  for (const dark of [false, true]) {
    await page.emulate({ dark });
    for (const [fragment, isReady] of states) {
      await page.evaluate(`location.hash = ${JSON.stringify(fragment)}`);
      await page.until(isReady);
      expect.soft(await violations(page), `${fragment} ${dark ? "dark" : "light"}`).toEqual([]);
    }
  }
});

test.runIf(hasBrowser)(
  "a process is started, typed into, signalled and left with the keyboard alone",
  async () => {
    const { open, client } = await startConsole();
    const page = await open();
    await page.until(`document.querySelector("header .primary")`);
    await page.press("Control+Shift+KeyP");
    await page.until(`document.activeElement?.getAttribute("role") === "combobox"`);
    await page.insert("start a");
    await page.press("Enter");
    await page.until(`document.activeElement?.matches("form.start input.mono")`);
    await page.insert("sh -c 'read line; echo got-$line; sleep 600'");
    await page.press("Enter");
    await page.until(stateIs("attached"));
    await page.until(`document.activeElement?.matches(".xterm-helper-textarea")`);
    await page.insert("it");
    await page.press("Enter");
    await page.until(screenHas("got-it"));
    await page.press("Control+Shift+F6");
    await page.until(`document.activeElement?.matches(".pane-head *")`);
    await page.press("Control+Shift+KeyP");
    await page.until(`document.activeElement?.getAttribute("role") === "combobox"`);
    await page.insert("processes");
    await page.press("Enter");
    await page.until(`document.querySelector("tbody tr")`);
    await page.evaluate(`document.querySelector("tbody tr").focus()`);
    await page.press("k");
    await page.until(`document.querySelector("dialog input[type=radio]")`);
    await page.press("Enter");
    await expect.poll(async () => (await client.list()).length).toBe(0);
  },
);

test.runIf(hasBrowser)(
  "names from the sandbox are shown as text, without characters that reverse or hide it",
  async () => {
    const { start, open } = await startConsole();
    const folder = createTempFolder();
    writeFileSync(join(folder, "photo\u202egpj.exe"), "");
    writeFileSync(join(folder, "<img src=x onerror=alert(1)>.txt"), "");
    const { processId } = await start({
      cmd: "sh",
      args: [
        "-c",
        "printf '\\033]2;%s\\a' \"$1\"; exec sleep 600",
        "x",
        `<b>title</b>${"\u202e"}${"t".repeat(3000)}`,
      ],
      tag: "<img src=x onerror=alert(1)>\u202eevil\u200b",
      pty: terminal,
    });
    const page = await open();
    const shown = await page.until<string>(`document.querySelector("tbody tr")?.innerText`);
    expect(shown).toContain("<img src=x onerror=alert(1)> evil");
    await page.evaluate(`location.hash = "#/p/w:${processId}"`);
    await page.until(`/title/.test(document.querySelector(".pane-title")?.textContent ?? "")`);
    expect(await page.evaluate<number>("document.title.length")).toBeLessThanOrEqual(210);
    const hidden = "/[\\u202e\\u200b]/";
    expect(
      await page.evaluate(`${hidden}.test(document.title + document.querySelector(".pane-head").innerText)`),
    ).toBe(false);
    await page.evaluate(`location.hash = "#/files/" + encodeURIComponent(${JSON.stringify(folder)})`);
    await page.until(`document.querySelectorAll(".entries tbody tr").length === 2`);
    expect(await page.evaluate(`${hidden}.test(document.body.innerText)`)).toBe(false);
    expect(await page.evaluate(`document.querySelector("img, .pane-head b")`)).toBe(null);
    expect(page.problems).toEqual([]);
  },
);

test.runIf(hasBrowser)("a key right after the one that opens a dialog reaches the dialog", async () => {
  const { open, start } = await startConsole();
  await start({ cmd: "sleep", args: ["600"] });
  const page = await open();
  await page.until(`document.querySelector("tbody tr")`);
  // Both events before the page is drawn again, as on a machine that is busy.
  const opened = (target: string, key: string) => `(async () => {
    const target = ${target};
    target.focus?.();
    target.dispatchEvent(new KeyboardEvent("keydown", { ${key}, bubbles: true, cancelable: true }));
    await new Promise((resolve) => queueMicrotask(() => queueMicrotask(resolve)));
    return document.querySelector("dialog")?.contains(document.activeElement) === true;
  })()`;
  expect(await page.evaluate(opened(`document.querySelector("tbody tr")`, `key: "k"`))).toBe(true);
  await page.press("Escape");
  await page.until(`!document.querySelector("dialog")`);
  // The focus is back where it was.
  expect(await page.evaluate(`document.activeElement.matches("tbody tr")`)).toBe(true);
  const palette = `key: "P", code: "KeyP", ctrlKey: true, shiftKey: true`;
  expect(await page.evaluate(opened("window", palette))).toBe(true);
});

test.runIf(hasBrowser)("of two panes, the commands act on the one that has the focus", async () => {
  const { open, start } = await startConsole();
  const cat = { cmd: "cat", pty: terminal };
  const [a, b] = [await start(cat), await start(cat)];
  const page = await open(`#/p/c:${a.processId}+c:${b.processId}`);
  await page.until(`document.querySelectorAll(".status[data-state=attached]").length === 2`);
  for (const index of [0, 1]) {
    await page.evaluate(`document.querySelectorAll(".xterm-helper-textarea")[${index}].focus()`);
    await page.press("Control+Shift+KeyP");
    await page.until(`document.activeElement?.getAttribute("role") === "combobox"`);
    await page.insert("find");
    await page.press("Enter");
    await page.until(`document.querySelectorAll(".pane")[${index}].querySelector(".find")`);
    expect(await page.evaluate(`document.querySelectorAll(".find").length`)).toBe(1);
    await page.until(`document.activeElement?.matches(".find input")`);
    await page.press("Escape");
    await page.until(`!document.querySelector(".find")`);
  }
});

test.runIf(hasBrowser)("a file is edited, and not stored over a change that came meanwhile", async () => {
  const folder = createTempFolder();
  const file = join(folder, "notes.txt");
  writeFileSync(file, "one\n");
  const { open } = await startConsole();
  const page = await open(`#/files/${encodeURIComponent(folder)}`);
  await page.until(`document.querySelector(".entries .open")`);
  await page.evaluate(`document.querySelector(".entries .open").click()`);
  await page.until(`document.querySelector("textarea.editor")?.value === "one\\n"`);
  // The text has the focus, not a button.
  await page.until(`document.activeElement?.matches("textarea.editor")`);
  await page.insert("two\n");
  await page.press("Control+s");
  await expect.poll(() => readFileSync(file, "utf8")).toContain("two");
  await page.until(`document.querySelector("dialog .buttons .primary").disabled`);
  writeFileSync(file, "changed by another program\n");
  await page.insert("three");
  await page.press("Control+s");
  await page.until(`/has changed in the sandbox/.test(document.querySelector(".notice").textContent)`);
  // Esc asks before it discards what was typed.
  await page.press("Escape");
  await page.until(`/not saved/.test(document.querySelector("dialog")?.textContent)`);
  await page.press("Escape");
  await page.until(`!document.querySelector("dialog")`);
  expect(readFileSync(file, "utf8")).toBe("changed by another program\n");
});
