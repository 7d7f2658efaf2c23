// The contexts of this user: names for agents, in $XDG_CONFIG_HOME/holdfast/config.json, which only this user may read.
// Holds the path of a token's file and never the token itself.

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { clip, messageOf } from "../../text.ts";
import { readUrl } from "../options/values.ts";

/** As it is written in the file. */
export interface Context {
  readonly url: string;
  /** Absolute paths. */
  readonly access_token_file?: string;
  readonly ca?: string;
}

export interface Contexts {
  /** The name of the one in use. */
  readonly current?: string;
  readonly contexts: Readonly<Record<string, Context>>;
}

/** The name of what counts without a context: HOLDFAST_URL or the default address. */
export const DEFAULT_CONTEXT = "default";

function contextFilePath(env: NodeJS.ProcessEnv): string {
  const { XDG_CONFIG_HOME: configured } = env;
  // The XDG specification says to ignore a relative path.
  const folder = configured !== undefined && isAbsolute(configured) ? configured : join(homedir(), ".config");
  return join(folder, "holdfast", "config.json");
}

/** Empty without a file. Throws an error that names the file and the fix. */
export function readContexts(env: NodeJS.ProcessEnv): Contexts {
  const path = contextFilePath(env);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(String(Reflect.get(Object(error), "code")))) return { contexts: {} };
    throw new Error(`the contexts cannot be read: ${messageOf(error)}`, { cause: error });
  }
  try {
    return checked(JSON.parse(text));
  } catch (error) {
    throw new Error(
      `the file of the contexts, ${path}, is damaged (${messageOf(error)}): repair or remove it`,
    );
  }
}

/** The context `name`. Throws an error that names those that exist. */
export function contextNamed(name: string, env: NodeJS.ProcessEnv): Context {
  const { contexts } = readContexts(env);
  const found = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
  if (found !== undefined) return found;
  const names = Object.keys(contexts);
  const known = names.length === 0 ? "there is none yet" : `there are ${names.join(", ")}`;
  throw new Error(
    `no context is called "${clip(name)}": ${known} (holdfast context add ${clip(name)} --url URL)`,
  );
}

/** A concurrent reader finds the earlier file or the new one. */
export function writeContexts(contexts: Contexts, env: NodeJS.ProcessEnv): void {
  const path = contextFilePath(env);
  const fresh = `${path}.${process.pid}-${process.hrtime.bigint()}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Error(`the folder of the contexts cannot be created: ${messageOf(error)}`);
  }
  try {
    writeFileSync(fresh, `${JSON.stringify(contexts, undefined, 2)}\n`, { flag: "wx", mode: 0o600 });
    renameSync(fresh, path);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw new Error(`the contexts cannot be written: ${messageOf(error)}`);
  }
}

function checked(content: unknown): Contexts {
  const { current, contexts = {} } = objectOf(content, "it");
  if (current !== undefined && typeof current !== "string") throw new Error('"current" is not a text');
  const entries = Object.entries(objectOf(contexts, '"contexts"')).map(([name, value]) => [
    name,
    checkedContext(name, objectOf(value, `"${name}"`)),
  ]);
  return { ...(current === undefined ? {} : { current }), contexts: Object.fromEntries(entries) };
}

function checkedContext(name: string, value: Readonly<Record<string, unknown>>): Context {
  for (const field of ["url", "access_token_file", "ca"]) {
    const isThere = value[field] !== undefined || field === "url";
    if (isThere && typeof value[field] !== "string") throw new Error(`"${field}" of "${name}" is not a text`);
  }
  return { ...(value as unknown as Context), url: readUrl(String(value["url"])) };
}

function objectOf(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new Error(`${name} is not an object`);
}
