// Short forms of StartRequest for tests: commands and bash scripts, on pipes and terminals.

import type { StartRequest } from "../../../src/process/index.ts";

export const PIPES = { kind: "pipes", stdin: true } as const;
export const PTY = { kind: "pty", size: { cols: 80, rows: 24 } } as const;

type Rest = Partial<Omit<StartRequest, "cmd" | "args">>;

/** On pipes, with a stdin pipe, as the agent's own user, unless `rest` says otherwise. */
export function command(cmd: string, args: readonly string[] = [], rest: Rest = {}): StartRequest {
  return { cmd, args, environment: {}, stdio: PIPES, ...rest };
}

/** A bash script. */
export function script(text: string, rest: Rest = {}): StartRequest {
  return command("bash", ["-c", text], rest);
}

/** A bash script on a terminal with 80 columns. */
export function terminalScript(text: string, rest: Rest = {}): StartRequest {
  return script(text, { stdio: PTY, ...rest });
}
