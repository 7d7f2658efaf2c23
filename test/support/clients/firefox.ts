// A Firefox that a test drives by WebDriver BiDi. It has what the tests of the console's pages need of a page; devtools.ts
// drives Chromium.

import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { hasPrograms } from "../programs.ts";
import { createTempFolder } from "../temp-folder.ts";
import { type Browser, type BrowserPage, endBrowser, untilTrue } from "./devtools.ts";
import { openWebSocket, type WebSocketText } from "./websocket.ts";

export const hasFirefox = hasPrograms("tests in Firefox", "firefox-esr");

export type FirefoxPage = Omit<BrowserPage, "emulate" | "send" | "setHidden">;

export interface Firefox extends Pick<Browser, "close"> {
  open(url: string): Promise<FirefoxPage>;
}

/** Nothing but the pages of the test is loaded. */
const settings = [
  'user_pref("app.update.disabledForTesting", true);',
  'user_pref("browser.shell.checkDefaultBrowser", false);',
  'user_pref("datareporting.policy.dataSubmissionEnabled", false);',
  'user_pref("network.captive-portal-service.enabled", false);',
  'user_pref("network.connectivity-service.enabled", false);',
  'user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);',
];

/** A violation of the page's policy becomes an error of its console. */
const reportViolations = `() => document.addEventListener("securitypolicyviolation", (event) =>
  console.error("policy", event.violatedDirective, event.blockedURI, event.sample))`;

const STARTED_MS = 60_000;

export async function startFirefox(): Promise<Firefox> {
  const profile = createTempFolder();
  writeFileSync(join(profile, "user.js"), settings.join("\n"));
  const flags = ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"];
  const child = spawn("firefox-esr", [...flags, "about:blank"], {
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
    env: { ...process.env, HOME: profile, TMPDIR: profile, MOZ_CRASHREPORTER_DISABLE: "1" },
  });
  const close = () => endBrowser(child);
  onTestFinished(close);
  const bidi = await Bidi.open(`${await addressOf(child)}/session`);
  await bidi.send("session.new", { capabilities: {} });
  await bidi.send("session.subscribe", { events: ["log.entryAdded", "network.beforeRequestSent"] });
  await bidi.send("script.addPreloadScript", { functionDeclaration: reportViolations });
  return { open: (url) => openPage(bidi, url), close };
}

function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const fail = () => reject(new Error(`Firefox did not start: ${text}`));
    const timer = setTimeout(fail, STARTED_MS);
    child.once("close", fail);
    child.stderr?.setEncoding("utf8").on("data", (more: string) => {
      text += more;
      const [, address] = /WebDriver BiDi listening on (ws:\S+)/.exec(text) ?? [];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(address);
    });
  });
}

type Fields = Record<string, unknown>;
type Answer = { resolve(result: Fields): void; reject(error: Error): void };

class Bidi {
  readonly #answers = new Map<number, Answer>();
  readonly #listeners = new Map<string, (method: string, parameters: Fields) => void>();
  #socket: WebSocketText | undefined;
  #last = 0;

  static async open(url: string): Promise<Bidi> {
    const bidi = new Bidi();
    bidi.#socket = await openWebSocket(
      url,
      (text) => bidi.#take(JSON.parse(text) as Fields),
      () => {
        for (const { reject } of bidi.#answers.values()) reject(new Error("Firefox has ended"));
      },
    );
    return bidi;
  }

  send(method: string, params: object): Promise<Fields> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#answers.set(id, { resolve, reject });
      this.#socket?.send(JSON.stringify({ id, method, params }));
    });
  }

  listen(context: string, listener: (method: string, parameters: Fields) => void): void {
    this.#listeners.set(context, listener);
  }

  #take(message: Fields): void {
    const { id, type, method, params, result, error, message: text } = message;
    if (type === "event") {
      const parameters = params as Fields & { context?: string; source?: { context?: string } };
      const context = parameters.context ?? parameters.source?.context ?? "";
      this.#listeners.get(context)?.(String(method), parameters);
      return;
    }
    const answer = this.#answers.get(id as number);
    this.#answers.delete(id as number);
    if (type === "success") answer?.resolve(result as Fields);
    else answer?.reject(new Error(`${error}: ${text}`));
  }
}

async function openPage(bidi: Bidi, url: string): Promise<FirefoxPage> {
  const { context } = (await bidi.send("browsingContext.create", { type: "window" })) as { context: string };
  const problems: string[] = [];
  const requests: string[] = [];
  bidi.listen(context, (method, parameters) => {
    if (method === "network.beforeRequestSent") requests.push((parameters["request"] as { url: string }).url);
    const { level, text } = parameters as { level?: string; text?: string };
    if (level === "error" || level === "warn") problems.push(`${level}: ${text}`);
  });
  const evaluate = async <Value>(expression: string): Promise<Value> => {
    const { type, result, exceptionDetails } = (await bidi.send("script.evaluate", {
      expression: `(async () => JSON.stringify([await (${expression})]))()`,
      target: { context },
      awaitPromise: true,
      userActivation: true,
    })) as { type: string; result?: { value: string }; exceptionDetails?: { text: string } };
    if (type !== "success" || result === undefined)
      throw new Error(`${expression}: ${exceptionDetails?.text}`);
    return (JSON.parse(result.value) as [Value])[0];
  };
  const perform = (actions: readonly object[]) =>
    bidi.send("input.performActions", { context, actions: [{ type: "key", id: "keyboard", actions }] });
  const page: FirefoxPage = {
    evaluate,
    until: (expression) => untilTrue(evaluate, expression),
    goto: async (to) =>
      void (await bidi.send("browsingContext.navigate", { context, url: to, wait: "complete" })),
    reload: async () => void (await bidi.send("browsingContext.reload", { context, wait: "complete" })),
    insert: async (text) => void (await perform([...text].flatMap((key) => [down(key), up(key)]))),
    press: async (chord) => {
      const keys = chord.split("+").map(keyValue);
      await perform([...keys.map(down), ...keys.toReversed().map(up)]);
    },
    screenshot: async () => {
      const { data } = await bidi.send("browsingContext.captureScreenshot", { context });
      return Buffer.from(data as string, "base64");
    },
    close: async () => void (await bidi.send("browsingContext.close", { context })),
    problems,
    requests,
  };
  await bidi.send("browsingContext.setViewport", { context, viewport: { width: 1200, height: 800 } });
  await page.goto(url);
  return page;
}

const down = (value: string) => ({ type: "keyDown", value });
const up = (value: string) => ({ type: "keyUp", value });

/** WebDriver's names for keys that have no character. */
const keyValues: Readonly<Record<string, string>> = {
  Enter: "\uE007",
  Tab: "\uE004",
  Escape: "\uE00C",
  Shift: "\uE008",
  Control: "\uE009",
  Alt: "\uE00A",
  F2: "\uE032",
  F6: "\uE036",
};

function keyValue(name: string): string {
  const letter = /^Key[A-Z]$/.test(name) ? name.slice(3).toLowerCase() : name;
  return keyValues[letter] ?? letter;
}
