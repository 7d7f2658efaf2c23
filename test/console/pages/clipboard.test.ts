// What programs and users copy and paste in a terminal of the console, and what they find.

import { expect, test, vi } from "vitest";
import { hasBrowser } from "../../support/clients/browser.ts";
import type { BrowserPage } from "../../support/clients/devtools.ts";
import { focusTerminal, screenHas, startConsole, stateIs, terminal } from "../support/console.ts";

vi.setConfig({ testTimeout: 120_000 });

/** Shows in plain letters what arrives. */
const SHOW_INPUT = "stty raw -echo; printf ready; exec cat -v";

/** The browser's own paste, with what is on its clipboard. */
async function pasteClipboard(page: BrowserPage): Promise<void> {
  await page.send("Page.bringToFront");
  await page.evaluate(focusTerminal);
  const key = { key: "V", code: "KeyV", modifiers: 10, windowsVirtualKeyCode: 86 };
  await page.send("Input.dispatchKeyEvent", { type: "rawKeyDown", ...key, commands: ["paste"] });
  await page.send("Input.dispatchKeyEvent", { type: "keyUp", ...key });
}

const allowClipboard = (page: BrowserPage) =>
  page.send("Browser.grantPermissions", { permissions: ["clipboardSanitizedWrite"] });

/** A page whose program runs this script once Enter is pressed, and then shows its input. */
async function openScript(script: string): Promise<BrowserPage> {
  const { start, open } = await startConsole();
  const { processId } = await start({
    cmd: "sh",
    args: ["-c", `read go; ${script}${SHOW_INPUT}`],
    pty: terminal,
  });
  const page = await open(`#/p/c:${processId}`);
  await allowClipboard(page);
  await page.until(stateIs("attached"));
  await page.evaluate(focusTerminal);
  await page.press("Enter");
  return page;
}

/** The same for one that copies these texts, one right after the other, and then runs `afterwards`. */
function openCopying(texts: readonly string[], afterwards = ""): Promise<BrowserPage> {
  const copies = texts.map((text) => `printf '\\033]52;c;${btoa(text)}\\a'; `).join("");
  return openScript(copies + afterwards);
}

const answer = (button: number) => `document.querySelectorAll(".question button")[${button}].click()`;

// ghostty PR 52, omnigent PR 6279.
test.runIf(hasBrowser)(
  "a program copies to the clipboard only after the user allows it, and never reads it",
  async () => {
    const page = await openCopying(["first-secret"], "printf '\\033]52;c;?\\a'; ");
    const question = await page.until<string>(`document.querySelector(".question")?.textContent`);
    expect(question).toContain("12 characters");
    await page.until(screenHas("ready"));
    await page.evaluate(answer(0));
    await page.until(`/Copied|copied/.test(document.querySelector(".notice").textContent)`);
    await pasteClipboard(page);
    await page.until(screenHas("readyfirst-secret"));
    // The query for the content of the clipboard has no answer.
    expect(await page.evaluate(`document.querySelector(".xterm-rows").textContent`)).not.toContain("]52");
    expect(page.problems).toEqual([]);
  },
);

test.runIf(hasBrowser)(
  "a program that asks to copy takes no key from the user, and cannot change its question",
  async () => {
    const page = await openCopying(["first-secret", "another and longer one"]);
    await page.until(`document.querySelector(".question")`);
    await page.until(screenHas("ready"));
    // The user types on, without having seen the question.
    await page.press("Enter");
    await page.insert("typed");
    await page.until(screenHas("ready^Mtyped"));
    expect(await page.evaluate(`document.querySelector(".question")?.textContent`)).toContain(
      "12 characters",
    );
    expect(await page.evaluate(`document.querySelector(".notice")?.textContent ?? ""`)).not.toMatch(
      /copied/i,
    );
  },
);

test.runIf(hasBrowser)("a program that may not copy is not asked about again", async () => {
  const { start, open } = await startConsole();
  const osc = `printf '\\033]52;;${btoa("text")}\\a'`;
  const { processId } = await start({
    cmd: "sh",
    args: ["-c", `read go; ${osc}; echo one; read go; ${osc}; echo two; read go`],
    pty: terminal,
  });
  const page = await open(`#/p/c:${processId}`);
  await page.until(stateIs("attached"));
  await page.evaluate(focusTerminal);
  await page.press("Enter");
  await page.until(`document.querySelector(".question")`);
  await page.until(screenHas("one"));
  await page.evaluate(answer(1));
  await page.until(`!document.querySelector(".question")`);
  await page.evaluate(focusTerminal);
  await page.press("Enter");
  await page.until(screenHas("two"));
  expect(await page.evaluate(`document.querySelector(".question")`)).toBe(null);
});

// cockpit#2009 #17794, rancher#6342.
test.runIf(hasBrowser)("text is found, also behind wide characters, copied, and pasted", async () => {
  // 76 columns in front: the text is wrapped.
  const page = await openScript(`seq 200; printf '漢字漢字 %066d%s\\n' 0 Needle-17; seq 200; `);
  await page.until(screenHas("ready"));
  await page.press("Control+Shift+KeyF");
  await page.until(`document.activeElement?.matches(".find input")`);
  await page.insert("nowhere");
  await page.until(`/not found/.test(document.querySelector(".find").textContent)`);
  await page.evaluate(`document.activeElement.select()`);
  await page.insert("needle-17");
  await page.until(`!/not found/.test(document.querySelector(".find").textContent)`);
  await page.press("Enter");
  await page.until(`document.querySelector(".xterm-selection div")`);
  await page.press("Escape");
  await page.until(`document.activeElement?.matches(".xterm-helper-textarea")`);
  await page.press("Control+Shift+KeyC");
  await page.until(`/opied/.test(document.querySelector(".notice").textContent)`);
  await pasteClipboard(page);
  await page.until(screenHas("readyNeedle-17"));
});
