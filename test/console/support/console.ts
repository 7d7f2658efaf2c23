// An agent with a console, and pages of it in a real browser.

import { onTestFinished } from "vitest";
import {
  type Client,
  createClient,
  type RemoteProcess,
  type StartRequest,
} from "../../../src/client/index.ts";
import { type RunningAgent, startAgent } from "../../support/agent/agent.ts";
import { type Browser, type BrowserPage, type Size, startBrowser } from "../../support/clients/devtools.ts";

export interface ConsoleUnderTest {
  readonly agent: RunningAgent;
  readonly browser: Browser;
  readonly client: Client;
  /** `#/…` of the console. */
  open(fragment?: string, size?: Size): Promise<BrowserPage>;
  /** Starts a process and leaves it, so that no client is attached. */
  start(request: StartRequest): Promise<RemoteProcess>;
}

export async function startConsole({ token }: { token?: string } = {}): Promise<ConsoleUnderTest> {
  const agent = await startAgent({ args: ["--console"], env: { HOLDFAST_ACCESS_TOKEN: token } });
  const browser = await startBrowser();
  const client = createClient({ baseUrl: agent.url, ...(token === undefined ? {} : { token }) });
  onTestFinished(() => client.close());
  return {
    agent,
    browser,
    client,
    open: (fragment = "", size) => browser.open(`${agent.url}/console/${fragment}`, size),
    start: async (request) => {
      const process = await client.start({ output: { detached: "ring" }, ...request });
      process.detach();
      return process;
    },
  };
}

export const terminal = { cols: 80, rows: 24 };

/** Of the terminal of the page: its state, and its rows. The first pane of the page. */
export const stateIs = (kind: string) =>
  `document.querySelector('.status')?.dataset.state === ${JSON.stringify(kind)}`;
export const screenHas = (text: string) =>
  `[...document.querySelectorAll('.xterm-rows > div')].some((row) => row.textContent.includes(${JSON.stringify(text)}))`;

/** Puts the focus into the terminal. */
export const focusTerminal = `document.querySelector('.xterm-helper-textarea').focus()`;
