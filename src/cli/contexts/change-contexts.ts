// Runs `holdfast context`.

import { resolve } from "node:path";
import { messageOf } from "../../text.ts";
import { layOut } from "../commands/text-table.ts";
import { exitCodes } from "../exit-codes.ts";
import { writeOut } from "../report/report.ts";
import { styled } from "../report/style.ts";
import { printError } from "../stdio.ts";
import {
  type Context,
  type Contexts,
  contextNamed,
  DEFAULT_CONTEXT,
  readContexts,
  writeContexts,
} from "./context-file.ts";

/** As commander names the values of the flags. */
export interface JsonFlag {
  readonly json?: boolean;
}

export interface AddFlags extends JsonFlag {
  readonly url: string;
  readonly accessTokenFile?: string;
  readonly ca?: string;
  readonly use?: boolean;
}

/** All functions resolve with the exit code. */
export function addNamed(
  name: string,
  { url, accessTokenFile, ca, use = false, json }: AddFlags,
): Promise<number> {
  const added: Context = {
    url,
    // The command may run in another folder next time.
    ...(accessTokenFile === undefined ? {} : { access_token_file: resolve(accessTokenFile) }),
    ...(ca === undefined ? {} : { ca: resolve(ca) }),
  };
  return change(json, (before) => {
    const current = use ? name : before.current;
    return {
      next: {
        ...(current === undefined ? {} : { current }),
        contexts: { ...before.contexts, [name]: added },
      },
      rows: [rowOf(name, added, current)],
    };
  });
}

export function useNamed(name: string, { json }: JsonFlag): Promise<number> {
  return change(json, ({ contexts }) => {
    if (name === DEFAULT_CONTEXT) return { next: { contexts }, rows: [rowOf(name, {}, name)] };
    const context = contextNamed(name, process.env);
    return { next: { current: name, contexts }, rows: [rowOf(name, context, name)] };
  });
}

export function removeNamed(names: readonly string[], { json }: JsonFlag): Promise<number> {
  return change(json, ({ current, contexts }) => {
    const removed = [...new Set(names)].map((name) => rowOf(name, contextNamed(name, process.env), current));
    const rest = Object.entries(contexts).filter(([name]) => !names.includes(name));
    const isGone = current === undefined || names.includes(current);
    return {
      next: { ...(isGone ? {} : { current }), contexts: Object.fromEntries(rest) },
      rows: removed,
    };
  });
}

export async function listNamed({ json = false }: JsonFlag): Promise<number> {
  let all: Contexts;
  try {
    all = readContexts(process.env);
  } catch (error) {
    return fail(error);
  }
  const rows = Object.entries(all.contexts).map(([name, context]) => rowOf(name, context, all.current));
  if (json) await writeOut(process.stdout, `${JSON.stringify(rows)}\n`);
  else await writeOut(process.stdout, table(rows));
  return exitCodes.done;
}

/** A context as --json prints it. */
interface Row {
  readonly name: string;
  readonly current: boolean;
  /** Null for the default, which has none of its own. */
  readonly url: string | null;
  readonly access_token_file: string | null;
  readonly ca: string | null;
}

function rowOf(name: string, context: Partial<Context>, current: string | undefined): Row {
  const { url = null, access_token_file: file = null, ca = null } = context;
  return { name, current: name === current, url, access_token_file: file, ca };
}

function table(rows: readonly Row[]): string {
  const columns = ["NAME", "URL", "TOKEN FILE"].map((heading) => ({ heading, align: "left" as const }));
  const cells = rows.map(({ name, current, url, access_token_file: file }) => [
    current ? `${name} *` : name,
    url ?? "-",
    file ?? "-",
  ]);
  const [headings = "", ...lines] = layOut(columns, cells);
  return [styled("dim", headings, process.stdout), ...lines, ""].join("\n");
}

interface Change {
  readonly next: Contexts;
  /** The contexts that it is about. */
  readonly rows: readonly Row[];
}

async function change(json: boolean | undefined, decide: (before: Contexts) => Change): Promise<number> {
  let rows: readonly Row[];
  try {
    const decided = decide(readContexts(process.env));
    writeContexts(decided.next, process.env);
    rows = decided.rows;
  } catch (error) {
    return fail(error);
  }
  if (json === true) await writeOut(process.stdout, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return exitCodes.done;
}

function fail(error: unknown): number {
  printError(messageOf(error));
  return exitCodes.failed;
}
