// A real browser that a test drives: Debian's chromium, spoken to by the DevTools protocol over two pipes.
// Several windows of one browser share its storage, as those of a user do.

import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { onTestFinished } from "vitest";
import { createTempFolder } from "../temp-folder.ts";

const DEADLINE_MS = 30_000;

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Browser {
  /** Opens a window of its own. */
  open(url: string, size?: Size): Promise<BrowserPage>;
  close(): Promise<void>;
}

export interface BrowserPage {
  /** The value of an expression of the page; a promise is awaited. */
  evaluate<Value>(expression: string): Promise<Value>;
  /** Resolves with the value of the expression when it is neither false, 0, "", null nor undefined. */
  until<Value>(expression: string): Promise<Value>;
  goto(url: string): Promise<void>;
  reload(): Promise<void>;
  /** Text as from a keyboard that sends no key events: a phone's, or a paste of an input method. */
  insert(text: string): Promise<void>;
  /** One key with its events: "Enter", "Tab", "a", "ArrowDown"; modifiers as "Control+Shift+KeyP". */
  press(chord: string): Promise<void>;
  /** A PNG. */
  screenshot(): Promise<Buffer>;
  emulate(options: {
    readonly size?: Size;
    readonly dark?: boolean;
    readonly touch?: boolean;
  }): Promise<void>;
  /** As if another tab were in front. */
  setHidden(isHidden: boolean): Promise<void>;
  send(method: string, parameters?: object): Promise<Record<string, unknown>>;
  close(): Promise<void>;
  /** Errors and warnings of the page so far: of scripts, of its policy, of the console. */
  readonly problems: readonly string[];
  /** The addresses of all requests so far. */
  readonly requests: readonly string[];
}

type Message = Record<string, unknown> & { id?: number; method?: string; sessionId?: string };

export async function startBrowser(): Promise<Browser> {
  const profile = createTempFolder();
  const flags = [
    "--headless=new",
    // The browser runs as root here, and loads only this test's own pages.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--remote-debugging-pipe",
    `--user-data-dir=${profile}`,
  ];
  const child = spawn("chromium", [...flags, "about:blank"], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    detached: true,
    // What it leaves there when it is killed goes with the profile.
    env: { ...process.env, HOME: profile, TMPDIR: profile },
  });
  const connection = new Connection(child);
  const close = () => endBrowser(child);
  onTestFinished(close);
  return { open: (url, size) => openPage(connection, url, size), close };
}

class Connection {
  readonly #out: Writable;
  readonly #answers = new Map<number, { resolve(value: Message): void; reject(error: Error): void }>();
  readonly #listeners = new Map<string, (message: Message) => void>();
  #last = 0;
  #text = "";

  constructor(child: ChildProcess) {
    this.#out = child.stdio[3] as Writable;
    this.#out.on("error", () => undefined);
    const input = child.stdio[4] as Readable;
    input.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    input.on("error", () => undefined);
    child.on("close", () => {
      for (const { reject } of this.#answers.values()) reject(new Error("the browser has ended"));
    });
  }

  send(method: string, params: object = {}, sessionId?: string): Promise<Message> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#answers.set(id, { resolve, reject });
      this.#out.write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`);
    });
  }

  listen(sessionId: string, listener: (message: Message) => void): void {
    this.#listeners.set(sessionId, listener);
  }

  #read(text: string): void {
    const messages = (this.#text + text).split("\0");
    this.#text = messages.pop() ?? "";
    for (const message of messages) this.#take(JSON.parse(message));
  }

  #take(message: Message): void {
    if (message.id === undefined) {
      this.#listeners.get(message.sessionId ?? "")?.(message);
      return;
    }
    const answer = this.#answers.get(message.id);
    this.#answers.delete(message.id);
    const error = message["error"] as { message: string } | undefined;
    if (error !== undefined) answer?.reject(new Error(error.message));
    else answer?.resolve(message["result"] as Message);
  }
}

async function openPage(
  connection: Connection,
  url: string,
  size: Size = { width: 1200, height: 800 },
): Promise<BrowserPage> {
  const { targetId } = await connection.send("Target.createTarget", { url: "about:blank", newWindow: true });
  const attached = await connection.send("Target.attachToTarget", { targetId, flatten: true });
  const sessionId = attached["sessionId"] as string;
  const send = (method: string, parameters?: object) => connection.send(method, parameters, sessionId);
  const problems: string[] = [];
  const requests: string[] = [];
  connection.listen(sessionId, (message) => {
    const parameters = message["params"] as Record<string, unknown>;
    if (message.method === "Network.requestWillBeSent")
      requests.push((parameters["request"] as { url: string }).url);
    const problem = toProblem(message.method ?? "", parameters);
    if (problem !== undefined) problems.push(problem);
  });
  for (const domain of ["Page", "Runtime", "Network", "Log"]) await send(`${domain}.enable`);
  const emulate: BrowserPage["emulate"] = async ({ size: to, dark, touch }) => {
    if (to !== undefined)
      await send("Emulation.setDeviceMetricsOverride", {
        ...to,
        deviceScaleFactor: 1,
        mobile: touch === true,
      });
    if (dark !== undefined)
      await send("Emulation.setEmulatedMedia", {
        features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }],
      });
    if (touch !== undefined) await send("Emulation.setTouchEmulationEnabled", { enabled: touch });
  };
  await emulate({ size });
  await send("Emulation.setFocusEmulationEnabled", { enabled: true });
  const evaluate = async <Value>(expression: string): Promise<Value> => {
    const answer = await send("Runtime.evaluate", {
      expression: `(async () => (${expression}))()`,
      awaitPromise: true,
      returnByValue: true,
      userGesture: true,
    });
    const failure = answer["exceptionDetails"] as { exception?: { description?: string } } | undefined;
    if (failure !== undefined) throw new Error(`${expression}: ${failure.exception?.description}`);
    return (answer["result"] as { value: Value }).value;
  };
  const page: BrowserPage = {
    evaluate,
    until: (expression) => untilTrue(evaluate, expression),
    goto: async (to) => {
      await send("Page.navigate", { url: to });
      await untilTrue(evaluate, `document.readyState === "complete"`);
    },
    reload: async () => {
      await evaluate("(window.beforeReload = true)");
      await send("Page.reload");
      await untilTrue(evaluate, `document.readyState === "complete" && window.beforeReload === undefined`);
    },
    // A user types into the window in front; the others may be drawn late.
    insert: async (text) => {
      await send("Page.bringToFront");
      await send("Input.insertText", { text });
    },
    press: async (chord) => {
      await send("Page.bringToFront");
      await press(send, chord);
    },
    screenshot: async () => {
      const { data } = await send("Page.captureScreenshot", { format: "png" });
      return Buffer.from(data as string, "base64");
    },
    emulate,
    setHidden: async (isHidden) => {
      await evaluate(`(() => {
        Object.defineProperty(document, "hidden", { value: ${isHidden}, configurable: true });
        Object.defineProperty(document, "visibilityState", { value: ${isHidden ? '"hidden"' : '"visible"'}, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      })()`);
    },
    send,
    close: async () => {
      await connection.send("Target.closeTarget", { targetId });
    },
    problems,
    requests,
  };
  await page.goto(url);
  return page;
}

/** Of a page: resolves with the value of the expression when it is true, and throws after 30 s. */
export async function untilTrue<Value>(
  evaluate: <Found>(expression: string) => Promise<Found>,
  expression: string,
): Promise<Value> {
  const startedAt = Date.now();
  let problem: unknown;
  for (;;) {
    try {
      // The page looks itself, at each of its turns; a reload ends the look.
      const value = await evaluate<Value>(`new Promise((resolve) => {
        const from = performance.now();
        const look = () => {
          let value;
          try { value = (${expression}); } catch (error) { if (performance.now() - from > 1000) throw error; }
          if (value || performance.now() - from > 1000) resolve(value); else setTimeout(look, 5);
        };
        look();
      })`);
      if (value) return value;
    } catch (error) {
      problem = error;
    }
    if (Date.now() - startedAt > DEADLINE_MS) {
      const state = await evaluate<string>("document.body.innerText").catch(String);
      throw new Error(`the page never had ${expression} (${problem}); it shows:\n${state}`);
    }
  }
}

const modifierBits: Readonly<Record<string, number>> = { Alt: 1, Control: 2, Shift: 8 };
const keyCodes: Readonly<Record<string, number>> = {
  Enter: 13,
  Tab: 9,
  Escape: 27,
  ArrowUp: 38,
  ArrowDown: 40,
  F2: 113,
  F6: 117,
};
const texts: Readonly<Record<string, string>> = { Enter: "\r", Tab: "\t" };

async function press(send: BrowserPage["send"], chord: string): Promise<void> {
  const parts = chord.split("+");
  const name = parts.pop() ?? "";
  const modifiers = parts.reduce((sum, part) => sum + (modifierBits[part] ?? 0), 0);
  const letter = /^Key[A-Z]$/.test(name) ? name.slice(3).toLowerCase() : name;
  const isShifted = (modifiers & 8) !== 0;
  const key = letter.length === 1 && isShifted ? letter.toUpperCase() : letter;
  const code = letter.length === 1 && /[a-z]/.test(letter) ? `Key${letter.toUpperCase()}` : name;
  const windowsVirtualKeyCode = keyCodes[name] ?? letter.toUpperCase().charCodeAt(0);
  const text = (modifiers & 3) !== 0 ? undefined : (texts[name] ?? (letter.length === 1 ? key : undefined));
  const event = { key, code, modifiers, windowsVirtualKeyCode };
  await send("Input.dispatchKeyEvent", {
    type: text === undefined ? "rawKeyDown" : "keyDown",
    ...event,
    text,
  });
  await send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
}

function toProblem(method: string, parameters: Record<string, unknown>): string | undefined {
  if (method === "Runtime.exceptionThrown") {
    const { text, exception } = parameters["exceptionDetails"] as {
      text: string;
      exception?: { description?: string };
    };
    return `${text} ${exception?.description ?? ""}`;
  }
  if (method === "Log.entryAdded") {
    const { level, text, url } = parameters["entry"] as { level: string; text: string; url?: string };
    return level === "error" || level === "warning" ? `${text} ${url ?? ""}` : undefined;
  }
  if (method !== "Runtime.consoleAPICalled" || !["error", "warning"].includes(String(parameters["type"])))
    return undefined;
  return JSON.stringify(parameters["args"]);
}

/** Ends a browser that was started as the leader of its own group, with everything that it started. */
export async function endBrowser(browser: ChildProcess): Promise<void> {
  if (browser.pid === undefined || browser.exitCode !== null || browser.signalCode !== null) return;
  const gone = new Promise((resolve) => browser.once("close", resolve));
  process.kill(-browser.pid, "SIGKILL");
  await gone;
}
