// Every page and state at three widths, light and dark. `HOLDFAST_SCREENSHOTS=FOLDER` stores all of them to be
// looked at; those of the documentation are written to docs/images by UPDATE_DOCS=1.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { hasBrowser } from "../../support/clients/browser.ts";
import type { BrowserPage } from "../../support/clients/devtools.ts";
import { createTempFolder } from "../../support/temp-folder.ts";
import { screenHas, startConsole, stateIs, terminal } from "../support/console.ts";

vi.setConfig({ testTimeout: 240_000 });

const folder = process.env["HOLDFAST_SCREENSHOTS"];
const images = join(import.meta.dirname, "../../../docs/images");
const widths = [
  { width: 360, height: 740 },
  { width: 768, height: 900 },
  { width: 1440, height: 820 },
];
/** Those in the documentation. */
const published = ["processes-1440-light", "terminal-1440-dark", "terminal-360-dark", "processes-768-dark"];

async function shoot(page: BrowserPage, name: string): Promise<void> {
  for (const size of widths)
    for (const dark of [false, true]) {
      await page.emulate({ size, dark, touch: size.width === 360 });
      await page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
      const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
      expect.soft(overflow, `${name} at ${size.width} is wider than the page`).toBeLessThanOrEqual(0);
      const label = `${name}-${size.width}-${dark ? "dark" : "light"}`;
      const image = await page.screenshot();
      if (folder !== undefined) writeFileSync(join(folder, `${label}.png`), image);
      if (process.env["UPDATE_DOCS"] === "1" && published.includes(label)) {
        mkdirSync(images, { recursive: true });
        writeFileSync(join(images, `console-${label}.png`), image);
      }
    }
}

test.runIf(hasBrowser)("no page is wider than its window, at any width", async () => {
  if (folder !== undefined) mkdirSync(folder, { recursive: true });
  const files = createTempFolder();
  for (const name of ["readme.md", "build.log", "data.json"])
    writeFileSync(join(files, name), "text\n".repeat(40));
  mkdirSync(join(files, "src"));
  const { start, open } = await startConsole();
  const shell = await start({
    cmd: "bash",
    args: ["--norc", "--noprofile"],
    env: { PS1: "\\[\\e[32m\\]sandbox\\[\\e[0m\\]:\\[\\e[34m\\]\\W\\[\\e[0m\\]$ " },
    cwd: files,
    tag: "shell",
    pty: terminal,
  });
  await start({
    cmd: "sh",
    args: ["-c", "while :; do echo tick $((n=n+1)); sleep 0.1; done"],
    tag: "ticker",
  });
  const build = await start({
    cmd: "sh",
    args: ["-c", "echo building; echo warning: unused >&2; sleep 600"],
    tag: "build",
  });
  await start({ cmd: "sh", args: ["-c", "exit 3"] });
  await start({ cmd: "sleep", args: ["1000"] });

  const dashboard = await open("");
  await dashboard.until(`document.querySelectorAll("tbody tr").length >= 4`);
  await shoot(dashboard, "processes");
  await dashboard.goto(`${await dashboard.evaluate("location.href.replace(/#.*/, '')")}#/start`);
  await dashboard.until(`document.querySelector("form.start")`);
  await shoot(dashboard, "start");
  await dashboard.evaluate(`location.hash = "#/files/" + encodeURIComponent(${JSON.stringify(files)})`);
  await dashboard.until(`document.querySelectorAll(".entries tbody tr").length === 4`);
  await shoot(dashboard, "files");
  await dashboard.evaluate(`location.hash = "#/p/c:${shell.processId}"`);
  await dashboard.until(stateIs("attached"));
  await dashboard.evaluate(`document.querySelector('.xterm-helper-textarea').focus()`);
  await dashboard.insert("ls -la --color=always");
  await dashboard.press("Enter");
  await dashboard.until(screenHas("readme.md"));
  await shoot(dashboard, "terminal");
  await dashboard.press("Control+Shift+KeyF");
  await dashboard.until(`document.activeElement?.matches(".find input")`);
  await dashboard.insert("readme");
  await shoot(dashboard, "find");
  await dashboard.press("Escape");
  await dashboard.press("Control+Shift+KeyP");
  await dashboard.until(`document.querySelector(".palette li")`);
  await shoot(dashboard, "palette");
  await dashboard.press("Escape");
  await dashboard.evaluate(`location.hash = "#/"`);
  await dashboard.until(`document.querySelector("tbody tr")`);
  await dashboard.evaluate(`document.querySelector("tbody tr").focus()`);
  await dashboard.press("ArrowDown");
  await shoot(dashboard, "focused-row");
  await dashboard.evaluate(`document.querySelector("tbody tr .menu summary").click()`);
  await shoot(dashboard, "row-menu");
  await dashboard.evaluate(`document.querySelector("tbody tr .menu").open = false`);
  await dashboard.evaluate(`document.querySelector("tbody tr").focus()`);
  await dashboard.press("k");
  await dashboard.until(`document.querySelector("dialog input[type=radio]")`);
  await shoot(dashboard, "signal");
  await dashboard.press("Escape");
  await dashboard.evaluate(`location.hash = "#/p/l:${build.processId}"`);
  await dashboard.until(screenHas("warning"));
  await shoot(dashboard, "log");
  await dashboard.evaluate(`location.hash = "#/p/c:${shell.processId}+l:${build.processId}"`);
  await dashboard.until(`document.querySelectorAll(".status[data-state=attached]").length === 2`);
  await shoot(dashboard, "two-panes");
  await dashboard.evaluate(`location.hash = "#/p/c:0123456789abcdef"`);
  await dashboard.until(stateIs("gone"));
  await shoot(dashboard, "gone");
  await dashboard.evaluate(`location.hash = "#/player"`);
  await dashboard.until(`document.querySelector(".player")`);
  await shoot(dashboard, "player");
  await dashboard.evaluate(`location.hash = "#/files/" + encodeURIComponent(${JSON.stringify(files)})`);
  await dashboard.until(`document.querySelectorAll(".entries tbody tr").length === 4`);
  await dashboard.evaluate(
    `[...document.querySelectorAll(".entries .open")].find(({ textContent }) => textContent.includes("readme")).click()`,
  );
  await dashboard.until(`document.querySelector("textarea.editor")`);
  await shoot(dashboard, "editor");
});

test.runIf(hasBrowser)("no page without processes, rights or an agent is wider than its window", async () => {
  const { agent, open, browser, start } = await startConsole({ token: "secret-of-the-test" });
  const login = await open("");
  await login.until(`document.querySelector("input[type=password]")`);
  await shoot(login, "login");
  const answer = await fetch(`${agent.url}/console/code`, {
    method: "POST",
    headers: { "X-Access-Token": "secret-of-the-test", "Content-Type": "application/json" },
    body: JSON.stringify({ scope: "observe" }),
  });
  const { code } = (await answer.json()) as { code: string };
  const page = await browser.open(`${agent.url}/console/#code=${code}`);
  await page.until(`document.querySelector(".empty")`);
  await shoot(page, "empty-read-only");
  const { processId } = await start({ cmd: "sh", args: ["-c", "echo hello; sleep 600"], pty: terminal });
  await page.evaluate(`location.hash = "#/p/w:${processId}"`);
  await page.until(screenHas("hello"));
  await shoot(page, "watching");
  agent.kill("SIGKILL");
  await agent.exited();
  await page.until(stateIs("reconnecting"));
  await page.until(`document.querySelector(".warning")`);
  await shoot(page, "disconnected");
});
