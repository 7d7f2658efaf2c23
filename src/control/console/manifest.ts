// The list of the console's files, which its build writes. Only files in it are served, under exactly their names, so no
// path of a request ever reaches the file system.

import { isFileName } from "./file-source.ts";

export type Encoding = "br" | "gzip";

export interface ConsoleFile {
  /** Below the folder of the console, and below /console/. */
  readonly path: string;
  /** For Content-Type. */
  readonly type: string;
  /** Of the file itself, in hexadecimal. */
  readonly sha256: string;
  /** Beside it are files with the same content, compressed: PATH.br and PATH.gz. */
  readonly encodings: readonly Encoding[];
  /** Its name changes with its content. */
  readonly isImmutable: boolean;
}

export const PAGE = "index.html";

/** Throws for a text that the build cannot have written. */
export function parseManifest(text: string): ReadonlyMap<string, ConsoleFile> {
  const { files } = JSON.parse(text) as { files: readonly Record<string, unknown>[] };
  return new Map(files.map((entry) => toFile(entry)).map((file) => [file.path, file]));
}

function toFile(entry: Record<string, unknown>): ConsoleFile {
  const { path, type, sha256, encodings = [], immutable } = entry;
  if (
    typeof path !== "string" ||
    !isFileName(path) ||
    typeof type !== "string" ||
    !/^[\w.+-]+\/[\w.+-]+(?:; *charset=[\w-]+)?$/.test(type) ||
    typeof sha256 !== "string" ||
    !/^[\da-f]{64}$/.test(sha256) ||
    !Array.isArray(encodings)
  )
    throw new Error(`the manifest of the console has the wrong entry ${JSON.stringify(entry)}`);
  return {
    path,
    type,
    sha256,
    encodings: (["br", "gzip"] as const).filter((name) => encodings.includes(name)),
    isImmutable: immutable !== false && path !== PAGE,
  };
}
