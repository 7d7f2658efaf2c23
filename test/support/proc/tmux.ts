// A real terminal of another program: tmux, with the test at the keyboard. Tests read the screen as a
// person sees it, and the modes of the terminal, instead of the bytes. The server of each test is its own
// and ends with it.

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";
import { cleanEnvironment, cliPath } from "../agent/agent.ts";
import { needPrograms } from "../programs.ts";
import { untilFound } from "../until-found.ts";

const run = promisify(execFile);

/** A command of tmux takes some milliseconds. One that hangs is named by the error, which the time limit of a test is not. */
const COMMAND_MS = 10_000;

export interface Window {
  /** Keys by their names: "Enter", "C-p", "Escape"; anything else is typed as it is. */
  press(...keys: readonly string[]): Promise<void>;
  type(text: string): Promise<void>;
  resize(cols: number, rows: number): Promise<void>;
  /** The screen as text, without spaces at the ends of lines. */
  screen(): Promise<string>;
  /** Resolves with the screen once it matches. */
  until(pattern: RegExp): Promise<string>;
  modes(): Promise<Modes>;
  /** The pid of the shell in it. */
  readonly pid: number;
}

/** As tmux shows them. */
export interface Modes {
  readonly alternate: boolean;
  readonly cursor: boolean;
  readonly cursorKeys: boolean;
  readonly keypad: boolean;
  readonly mouse: boolean;
  readonly wrap: boolean;
  /** The first and the last line, from 0. */
  readonly region: string;
}

const FORMAT = [
  ...["alternate_on", "cursor_flag", "keypad_cursor_flag", "keypad_flag", "mouse_any_flag", "wrap_flag"],
  ...["scroll_region_upper", "scroll_region_lower"],
]
  .map((name) => `#{${name}}`)
  .join(" ");

/** A window on a shell with `$ ` as its prompt, in which `holdfast` calls the agent at `url`. */
export type OpenWindow = (size: { readonly cols: number; readonly rows: number }) => Promise<Window>;

export function openTmux(url: string): OpenWindow {
  needPrograms("tmux");
  const folder = mkdtempSync(join(tmpdir(), "holdfast-tmux-"));
  const tmux = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await run("tmux", ["-S", join(folder, "socket"), "-f", "/dev/null", ...args], {
      env: cleanEnvironment({ LANG: "C.UTF-8", TERM: "xterm-256color", TMUX: undefined }),
      timeout: COMMAND_MS,
    });
    return stdout;
  };
  onTestFinished(async () => {
    await tmux("kill-server").catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
  });
  let count = 0;
  return async ({ cols, rows }) => {
    const name = `window${count++}`;
    const shell = ["env", `HOLDFAST_URL=${url}`, "PS1=$ ", "ENV=", "HISTFILE=", "LANG=C.UTF-8"];
    await tmux(
      ...["new-session", "-d", "-s", name, "-x", `${cols}`, "-y", `${rows}`, ...shell],
      ...["bash", "--norc", "--noprofile"],
    );
    await tmux("set-option", "-t", name, "status", "off");
    await tmux("resize-window", "-t", name, "-x", `${cols}`, "-y", `${rows}`);
    const pid = Number(await tmux("display-message", "-p", "-t", name, "#{pane_pid}"));
    const screen = async () => (await tmux("capture-pane", "-p", "-t", name)).replace(/[ \n]+$/, "");
    const window: Window = {
      pid,
      press: async (...keys) => void (await tmux("send-keys", "-t", name, ...keys)),
      type: async (text) => void (await tmux("send-keys", "-t", name, "-l", text)),
      resize: async (newCols, newRows) =>
        void (await tmux("resize-window", "-t", name, "-x", `${newCols}`, "-y", `${newRows}`)),
      screen,
      until: (pattern) =>
        untilFound(
          async () => {
            const shown = await screen();
            return pattern.test(shown) ? shown : undefined;
          },
          async () => ({ pattern: String(pattern), screen: (await screen()).split("\n") }),
        ),
      modes: async () => {
        const [alternate, cursor, cursorKeys, keypad, mouse, wrap, ...region] = (
          await tmux("display-message", "-p", "-t", name, FORMAT)
        )
          .trim()
          .split(" ");
        return {
          alternate: alternate === "1",
          cursor: cursor === "1",
          cursorKeys: cursorKeys === "1",
          keypad: keypad === "1",
          mouse: mouse === "1",
          wrap: wrap === "1",
          region: region.join("-"),
        };
      },
    };
    await window.type(`holdfast() { '${process.execPath}' '${cliPath}' "$@"; }; clear`);
    await window.press("Enter");
    await window.until(/^\$$/);
    return window;
  };
}
