// Runs `holdfast context`.

import { resolve } from "node:path";
import { messageOf } from "../../text.ts";
import { layOut } from "../commands/text-table.ts";
import { exitCodes } from "../exit-codes.ts";
import { writeOut } from "../report/report.ts";
import { styled } from "../report/style.ts";
import { printError } from "../stdio.ts";
import { type Contexts, contextNamed, DEFAULT_CONTEXT, readContexts, writeContexts } from "./context-file.ts";

/** As commander names the values of the flags. */
export interface AddFlags {
  readonly url: string;
  readonly accessTokenFile?: string;
  readonly ca?: string;
  readonly use?: boolean;
}

export interface ListFlags {
  readonly json?: boolean;
}

/** All functions return the exit code. */
export function addNamed(name: string, { url, accessTokenFile, ca, use = false }: AddFlags): number {
  return change((before) => ({
    ...before,
    ...(use ? { current: name } : {}),
    contexts: {
      ...before.contexts,
      [name]: {
        url,
        // The command may run in another folder next time.
        ...(accessTokenFile === undefined ? {} : { access_token_file: resolve(accessTokenFile) }),
        ...(ca === undefined ? {} : { ca: resolve(ca) }),
      },
    },
  }));
}

export function useNamed(name: string): number {
  return change(({ contexts }) => {
    if (name === DEFAULT_CONTEXT) return { contexts };
    contextNamed(name, process.env);
    return { current: name, contexts };
  });
}

export function removeNamed(names: readonly string[]): number {
  return change(({ current, contexts }) => {
    for (const name of names) contextNamed(name, process.env);
    const rest = Object.entries(contexts).filter(([name]) => !names.includes(name));
    const isGone = current === undefined || names.includes(current);
    return { ...(isGone ? {} : { current }), contexts: Object.fromEntries(rest) };
  });
}

export async function listNamed({ json = false }: ListFlags): Promise<number> {
  let all: Contexts;
  try {
    all = readContexts(process.env);
  } catch (error) {
    return fail(error);
  }
  const rows = Object.entries(all.contexts).map(([name, context]) => ({
    name,
    current: name === all.current,
    url: context.url,
    access_token_file: context.access_token_file ?? null,
    ca: context.ca ?? null,
  }));
  if (json) await writeOut(process.stdout, `${JSON.stringify(rows)}\n`);
  else await writeOut(process.stdout, table(rows));
  return exitCodes.done;
}

function table(
  rows: readonly { name: string; current: boolean; url: string; access_token_file: string | null }[],
): string {
  const columns = ["NAME", "URL", "TOKEN FILE"].map((heading) => ({ heading, align: "left" as const }));
  const cells = rows.map(({ name, current, url, access_token_file: file }) => [
    current ? `${name} *` : name,
    url,
    file ?? "-",
  ]);
  const [headings = "", ...lines] = layOut(columns, cells);
  return [styled("dim", headings, process.stdout), ...lines, ""].join("\n");
}

function change(next: (before: Contexts) => Contexts): number {
  try {
    writeContexts(next(readContexts(process.env)), process.env);
    return exitCodes.done;
  } catch (error) {
    return fail(error);
  }
}

function fail(error: unknown): number {
  printError(messageOf(error));
  return exitCodes.failed;
}
