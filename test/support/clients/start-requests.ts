// Requests to start something, as short as tests want them: commands and bash scripts, on pipes and terminals.

import type { StartRequest } from "../../../src/process/index.ts";

export const PIPES = { kind: "pipes", stdin: true } as const;
export const PTY = { kind: "pty", size: { cols: 80, rows: 24 } } as const;

type Rest = Partial<Omit<StartRequest, "cmd" | "args">>;

/** On pipes, with a stdin pipe, in the agent's own name, unless `rest` says otherwise. */
export function command(cmd: string, args: readonly string[] = [], rest: Rest = {}): StartRequest {
  return { cmd, args, environment: {}, stdio: PIPES, ...rest };
}

/** A bash script. */
export function script(text: string, rest: Rest = {}): StartRequest {
  return command("bash", ["-c", text], rest);
}

/** A bash script on a terminal of 80 columns. */
export function terminalScript(text: string, rest: Rest = {}): StartRequest {
  return script(text, { stdio: PTY, ...rest });
}
