// Tokens with scopes, from a file that holds only their hashes. The file is read again when it changes: its folder is
// watched, so that an agent at rest does not wake up, and tokens that are gone end the streams of their clients at once.

import { type FSWatcher, realpathSync, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Logger } from "../../logger.ts";
import { messageOf } from "../../text.ts";
import type { TokenSource } from "./credentials.ts";
import { Grant } from "./grant.ts";
import { parseTokenFile, type TokenEntry } from "./token-entries.ts";

export class TokenFile implements TokenSource {
  /** Also when the file has no tokens: all requests are then refused. */
  readonly needsToken = true;
  readonly #path: string;
  readonly #logger: Logger;
  #text: string;
  #grants: ReadonlyMap<string, Known>;
  readonly #watchers: FSWatcher[] = [];
  #reading: Promise<void> = Promise.resolve();
  #isReadDue = false;

  /** `text` is the content of `path` now. Throws a HoldfastError if it is not valid. */
  constructor(path: string, text: string, logger: Logger) {
    this.#path = path;
    this.#text = text;
    this.#logger = logger;
    this.#grants = grantsOf(parseTokenFile(text), new Map());
  }

  /** Follows the changes of the file, until `close`. */
  watch(): void {
    try {
      // A link may lead to another folder.
      const paths = [this.#path, realpathSync(this.#path)];
      const names = new Set(paths.map((path) => basename(path)));
      const onChange = (_: string, name: string | null) => {
        // Kubernetes replaces the folder "..data", through which its files are links.
        if (name === null || names.has(name) || name.startsWith("..")) void this.reload();
      };
      // The folder: a file that is replaced has another inode.
      for (const folder of new Set(paths.map((path) => dirname(path)))) {
        const watcher = watch(folder, { persistent: false }, onChange);
        this.#watchers.push(watcher);
        watcher.on("error", (error) => this.#stopWatching(error));
      }
      // It may have changed since it was read, while the agent started or another version took its place.
      void this.reload();
    } catch (error) {
      this.#stopWatching(error);
    }
  }

  close(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }

  find(digest: string): Grant | undefined {
    return this.#grants.get(digest)?.grant;
  }

  *grants(): Iterable<Grant> {
    for (const { grant } of this.#grants.values()) yield grant;
  }

  /** One read after the other, and the last one begins after the last call. */
  reload(): Promise<void> {
    if (this.#isReadDue) return this.#reading;
    this.#isReadDue = true;
    this.#reading = this.#reading.then(() => this.#read());
    return this.#reading;
  }

  async #read(): Promise<void> {
    this.#isReadDue = false;
    let text: string;
    try {
      text = await readFile(this.#path, "utf8");
    } catch (error) {
      if (this.#text !== "") this.#logger.error({ err: error }, "token file is gone: its tokens are refused");
      this.#text = "";
      this.#replace([]);
      return;
    }
    if (text === this.#text) return;
    let entries: readonly TokenEntry[];
    try {
      entries = parseTokenFile(text);
    } catch (error) {
      // It may be half written. Nothing in it counts before it is valid.
      this.#logger.error(
        { file: basename(this.#path), reason: messageOf(error) },
        "token file is not valid: the tokens from before stay",
      );
      return;
    }
    this.#text = text;
    this.#replace(entries);
    this.#logger.info({ tokens: entries.length }, "token file read");
  }

  #replace(entries: readonly TokenEntry[]): void {
    const before = this.#grants;
    this.#grants = grantsOf(entries, before);
    const kept = new Set([...this.#grants.values()].map(({ grant }) => grant));
    for (const { grant } of before.values()) if (!kept.has(grant)) grant.revoke();
  }

  #stopWatching(error: unknown): void {
    this.close();
    this.#logger.warn({ err: error }, "token file cannot be watched: restart the agent after a change");
  }
}

interface Known {
  readonly grant: Grant;
  /** To detect whether a later file changes it. */
  readonly text: string;
}

/** An entry that has not changed keeps its grant, so that its streams continue. */
function grantsOf(
  entries: readonly TokenEntry[],
  before: ReadonlyMap<string, Known>,
): ReadonlyMap<string, Known> {
  return new Map(
    entries.map((entry): [string, Known] => {
      const text = JSON.stringify(entry);
      const known = before.get(entry.digest);
      if (known?.text === text) return [entry.digest, known];
      const { id, scopes, processes, users, expiresAtMs } = entry;
      const grant = new Grant({
        id,
        key: text,
        scopes,
        processes: processes && new Set(processes),
        users: users && new Set(users),
        remainingMs: expiresAtMs === undefined ? undefined : () => expiresAtMs - Date.now(),
      });
      return [entry.digest, { grant, text }];
    }),
  );
}
