// The console in a real browser, as a part of the usual tests: open, run, reload. `npm run test:console` has all others.

import { expect, test, vi } from "vitest";
import { hasBrowser } from "../support/clients/browser.ts";
import { focusTerminal, screenHas, startConsole, stateIs, terminal } from "./support/console.ts";

vi.setConfig({ testTimeout: 120_000 });

if (!hasBrowser)
  process.stderr.write("skipped: test/console/reload.test.ts needs a browser (apt-get install chromium)\n");

/** The rows of the terminal, without spaces at their ends. */
const screenText = `[...document.querySelectorAll(".xterm-rows > div")].map((row) => row.textContent.trimEnd()).join("\\n").trimEnd()`;

test.runIf(hasBrowser)("after a reload, a terminal shows the same text and continues", async () => {
  const { start, open } = await startConsole();
  const { processId } = await start({
    cmd: "bash",
    args: ["--norc", "--noprofile"],
    env: { PS1: "ready> ", HISTFILE: "" },
    pty: terminal,
  });
  const page = await open(`#/p/c:${processId}`);
  await page.until(screenHas("ready>"));
  await page.evaluate(focusTerminal);
  await page.insert("seq 5; echo typed-$((40+2))");
  await page.press("Enter");
  await page.until(`/typed-42\\nready>$/.test(${screenText})`);
  const before = await page.evaluate<string>(screenText);
  await page.reload();
  await page.until(stateIs("attached"));
  await page.until(`${screenText} === ${JSON.stringify(before)}`);
  await page.evaluate(focusTerminal);
  await page.insert("echo after-$((1+1))");
  await page.press("Enter");
  await page.until(`/after-2\\nready>$/.test(${screenText})`);
  expect(await page.evaluate<string>(screenText)).toBe(`${before} echo after-$((1+1))\nafter-2\nready>`);
  expect(page.problems).toEqual([]);
});
