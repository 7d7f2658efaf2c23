// `npm run soak -- --console-minutes N`: a terminal of the console in a real browser, over a connection that is cut every
// three seconds, with a live upgrade of the agent every minute. Somebody types all the time. Each line that the program
// prints is on the screen once and in order, and so is each line that was typed.

import { expect, test } from "vitest";
import { focusTerminal, screenHas, startConsole, stateIs } from "../console/support/console.ts";
import { upgrade } from "../support/agent/upgrade.ts";
import { hasBrowser } from "../support/clients/browser.ts";
import type { BrowserPage } from "../support/clients/devtools.ts";
import { type CutKind, startCuttingProxy } from "../support/network/cutting-proxy.ts";

const MINUTES = Number(process.env["HOLDFAST_SOAK_CONSOLE_MINUTES"] ?? 0);
const CUT_EVERY_MS = 3_000;
const UPGRADE_EVERY_MS = 60_000;
const kinds: readonly CutKind[] = ["rst", "fin", "silent"];

/** Each line that is typed lets the program print so many more, at full speed. The terminal keeps 10,000. */
const GRANT = 4_000;

const program = `
let n = 0, until = 0, text = "", isEnding = false;
const filler = "-".repeat(50);
const print = () => {
  let lines = "";
  for (let i = 0; i < 100 && n < until; i++) lines += "line " + ++n + " " + filler + "\\n";
  process.stdout.write(lines);
  if (n < until) setImmediate(print);
};
process.stdin.on("data", (data) => {
  const parts = (text + data).split("\\n");
  text = parts.pop();
  for (const part of parts) {
    process.stdout.write("typed " + part + " after " + n + "\\n");
    if (part === "end") process.stdin.pause();
    else if ((until += ${GRANT}) - n <= ${GRANT}) setImmediate(print);
  }
});
process.stdout.write("ready\\n");
`;

/** Checks one look at the whole buffer against the looks before. */
class Ledger {
  last = 0;
  /** The line after which each typed line is printed. */
  readonly typed = new Map<string, string>();

  take(text: string): void {
    const lines = text.split("\n");
    const numbers = lines.flatMap((line) => Number(/^line (\d+) -{50}$/.exec(line)?.[1] ?? Number.NaN) || []);
    const first = numbers[0] ?? Number.NaN;
    if (numbers.length > 0) {
      expect(first, "the looks overlap").toBeLessThanOrEqual(this.last + 1);
      expect(numbers).toEqual(numbers.map((_, index) => first + index));
      expect(numbers.at(-1)).toBeGreaterThanOrEqual(this.last);
    }
    this.last = numbers.at(-1) ?? this.last;
    const seen = new Set<string>();
    for (const line of lines) {
      const [, typed, place] = /^typed (\S+) after (\d+)$/.exec(line) ?? [];
      if (typed === undefined || place === undefined) continue;
      expect(seen.has(typed), `${line} is there twice`).toBe(false);
      seen.add(typed);
      expect(this.typed.get(typed) ?? place, `${typed} is printed at one place`).toBe(place);
      this.typed.set(typed, place);
    }
  }
}

async function bufferText(page: BrowserPage): Promise<string> {
  await page.evaluate(focusTerminal);
  await page.press("Alt+F2");
  const text = await page.until<string>(`document.querySelector(".text-view")?.textContent`);
  await page.press("Escape");
  await page.until(`!document.querySelector(".text-view")`);
  return text;
}

test.runIf(MINUTES > 0 && hasBrowser)(
  `over ${MINUTES} minutes of cuts and upgrades, the terminal of the console loses and doubles nothing`,
  { timeout: (MINUTES + 5) * 60_000 },
  async () => {
    const { agent, browser, start } = await startConsole();
    const proxy = await startCuttingProxy({ port: agent.port });
    const { processId } = await start({
      cmd: "sh",
      args: ["-c", `stty -echo; exec "$0" -e "$1"`, process.execPath, program],
      pty: { cols: 100, rows: 30 },
      output: { detached: "ring", replayBytes: 16 * 1024 * 1024 },
    });
    const page = await browser.open(`${proxy.url}/console/#/p/c:${processId}`);
    await page.until(stateIs("attached"));
    await page.until(screenHas("ready"));
    const ledger = new Ledger();
    const from = Date.now();
    const until = from + MINUTES * 60_000;
    let [nextCutAt, nextUpgradeAt, typed, upgrades] = [from, from + UPGRADE_EVERY_MS / 2, 0, 0];
    let upgrading: Promise<unknown> = Promise.resolve();
    while (Date.now() < until) {
      if (Date.now() >= nextCutAt) {
        // A network is dead until the next cut. The page would notice it after 20 s only.
        proxy.resetSilent();
        proxy.cut(kinds[Math.floor(Math.random() * kinds.length)] ?? "rst");
        nextCutAt = Date.now() + CUT_EVERY_MS * (0.5 + Math.random());
      }
      if (Date.now() >= nextUpgradeAt) {
        await upgrading;
        upgrading = upgrade(agent);
        upgrades++;
        nextUpgradeAt += UPGRADE_EVERY_MS;
      }
      // What is typed while the connection is lost is sent when it is back.
      if (typed === 0 || ledger.typed.has(`${typed}`)) {
        await page.evaluate(focusTerminal);
        await page.insert(`${++typed}`);
        await page.press("Enter");
      }
      ledger.take(await bufferText(page));
    }
    await upgrading;
    proxy.resetSilent();
    await page.until(stateIs("attached"));
    await page.evaluate(focusTerminal);
    await page.insert("end");
    await page.press("Enter");
    // It ends when it has printed everything.
    await page.until(stateIs("ended"));
    ledger.take(await bufferText(page));
    process.stderr.write(
      `console soak: ${MINUTES} min, ${ledger.last} lines, ${typed} typed, ${upgrades} upgrades, ` +
        `cuts ${JSON.stringify(proxy.cuts)}\n`,
    );
    const expected = [...Array.from({ length: typed }, (_, n) => `${n + 1}`), "end"];
    expect([...ledger.typed.keys()]).toEqual(expected);
    // Each was taken once.
    expect(ledger.last).toBe(typed * GRANT);
    expect(page.problems.filter((problem) => !/Failed to load resource|ERR_/.test(problem))).toEqual([]);
  },
);
