// From the form to a start request, or to the first problem with its field.

import type { StartRequest } from "../../src/client/types.ts";
import { strings } from "../strings.ts";
import { splitCommandLine } from "./command-line.ts";

export interface StartFields {
  readonly line: string;
  readonly inBash: boolean;
  readonly user: string;
  readonly cwd: string;
  readonly environment: string;
  readonly tag: string;
  readonly isPty: boolean;
  readonly timeLimit: string;
  readonly detached: "ring" | "buffer" | "block";
}

export type Checked =
  | { readonly kind: "request"; readonly request: StartRequest }
  | { readonly kind: "problem"; readonly field: keyof StartFields; readonly text: string };

export function toStartRequest(fields: StartFields, startId: string): Checked {
  const command = commandWords(fields);
  if (typeof command === "string") return { kind: "problem", field: "line", text: command };
  const env: Record<string, string> = {};
  for (const line of fields.environment.split("\n").filter((text) => text.trim() !== "")) {
    const [, name, value] = /^\s*([^=\s]+)=(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined)
      return { kind: "problem", field: "environment", text: strings.environmentBad(line) };
    env[name] = value;
  }
  const seconds = Number(fields.timeLimit);
  if (fields.timeLimit !== "" && !(seconds > 0 && Number.isFinite(seconds)))
    return { kind: "problem", field: "timeLimit", text: strings.timeLimitBad(fields.timeLimit) };
  const [cmd = "", ...args] = command;
  return {
    kind: "request",
    request: {
      cmd,
      args,
      env,
      startId,
      output: { detached: fields.detached },
      ...(fields.isPty ? { pty: { cols: 80, rows: 24 } } : { stdin: true }),
      ...(fields.user === "" ? {} : { user: fields.user }),
      ...(fields.cwd === "" ? {} : { cwd: fields.cwd }),
      ...(fields.tag === "" ? {} : { tag: fields.tag }),
      ...(fields.timeLimit === "" ? {} : { timeoutMs: Math.ceil(seconds * 1000) }),
    },
  };
}

/** The words, or the problem. */
export function commandWords({
  line,
  inBash,
}: Pick<StartFields, "line" | "inBash">): readonly string[] | string {
  if (line.trim() === "") return strings.commandMissing;
  if (inBash) return ["bash", "-lc", line];
  const split = splitCommandLine(line);
  return split.kind === "open" ? strings.openQuote(split.quote) : split.words;
}
