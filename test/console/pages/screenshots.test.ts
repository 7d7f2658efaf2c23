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
  await start({
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
  await dashboard.press("Control+Shift+KeyP");
  await dashboard.until(`document.querySelector(".palette li")`);
  await shoot(dashboard, "palette");
});
