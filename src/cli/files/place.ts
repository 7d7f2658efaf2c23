// The words of a command line that name files: `:PATH` on the agent, `-` for a pipe, anything else on this machine.

import { posix } from "node:path";

/** `typed` is the word as the user wrote it, for messages. */
export type Place =
  | { readonly kind: "remote"; readonly path: string; readonly typed: string }
  | { readonly kind: "local"; readonly path: string; readonly typed: string }
  | { readonly kind: "pipe"; readonly typed: string };

/** `:` alone is the home of the user. */
export function placeOf(typed: string): Place {
  if (typed === "-") return { kind: "pipe", typed };
  if (!typed.startsWith(":")) return { kind: "local", path: typed, typed };
  return { kind: "remote", path: typed === ":" ? "~" : typed.slice(1), typed };
}

/**
 * The name under which a directory receives it. Empty for `.`, `..`, `/` and `~`: then the directory receives its
 * content, as with cp.
 */
export function nameOfPlace({ path }: { readonly path: string }): string {
  const name = posix.basename(path);
  return ["", ".", "..", "/", "~"].includes(name) ? "" : name;
}

/** `name` in the directory; the directory itself for an empty name. */
export function inDirectory(directory: string, name: string): string {
  if (name === "") return directory;
  return directory.endsWith("/") ? `${directory}${name}` : `${directory}/${name}`;
}

/** The directory that holds it. */
export function parentOfPath(path: string): string {
  const parent = posix.dirname(path);
  // `x` is in the home of the user, and `~` has a parent that only the agent knows.
  return parent === "." && !path.startsWith(".") ? "~" : parent;
}

export function withoutTrailingSlash(path: string): string {
  return path.replace(/(?!^)\/+$/, "");
}
