// The keys that a phone's keyboard lacks, on a screen of its size.

import { expect, test, vi } from "vitest";
import { hasBrowser } from "../../support/clients/browser.ts";
import type { BrowserPage } from "../../support/clients/devtools.ts";
import { focusTerminal, screenHas, startConsole, stateIs } from "../support/console.ts";

vi.setConfig({ testTimeout: 120_000 });

async function tap(page: BrowserPage, text: string): Promise<void> {
  const place = await page.evaluate<{ x: number; y: number }>(`(() => {
    const button = [...document.querySelectorAll(".key-bar button")].find(({ textContent }) => textContent === ${JSON.stringify(text)});
    button.scrollIntoView({ block: "nearest", inline: "center" });
    const { left, top, width, height } = button.getBoundingClientRect();
    return { x: left + width / 2, y: top + height / 2 };
  })()`);
  await page.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [place] });
  await page.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
}

// ttyd PR 1504, xterm#5377.
test.runIf(hasBrowser)("on a touch screen the bar types Esc, Tab, arrows, Ctrl and Alt", async () => {
  const { start, open } = await startConsole();
  const { processId } = await start({
    cmd: "sh",
    args: ["-c", "stty raw -echo; printf ready; exec cat -vT"],
    pty: { cols: 40, rows: 20 },
  });
  const page = await open("");
  await page.emulate({ size: { width: 360, height: 740 }, touch: true });
  await page.evaluate(`location.hash = "#/p/c:${processId}"`);
  await page.until(stateIs("attached"));
  await page.until(`document.querySelector(".key-bar")`);
  await page.until(screenHas("ready"));
  await page.evaluate(focusTerminal);
  const shown = (text: string) => page.until(screenHas(text));
  await tap(page, "Esc");
  await shown("ready^[");
  await tap(page, "Tab");
  await shown("ready^[^I");
  await tap(page, "↑");
  await shown("^I^[[A");
  // The keyboard of the phone stays.
  expect(await page.evaluate(`document.activeElement.matches(".xterm-helper-textarea")`)).toBe(true);
  await tap(page, "Ctrl");
  await page.until(`document.querySelector(".key-bar [aria-pressed=true]")`);
  await page.insert("c");
  await shown("^[[A^C");
  await page.until(`!document.querySelector(".key-bar [aria-pressed=true]")`);
  await page.insert("c");
  await shown("^Cc");
  await tap(page, "Alt");
  await page.until(`document.querySelector(".key-bar [aria-pressed=true]")`);
  await tap(page, "→");
  await shown("c^[[1;3C");
  await tap(page, "Paste");
  await page.until(`document.activeElement?.matches("dialog textarea")`);
  await page.insert("pasted");
  await page.evaluate(`document.querySelector("dialog form button[type=submit]").click()`);
  await shown("^[[1;3Cpasted");
  expect(page.problems).toEqual([]);
});
