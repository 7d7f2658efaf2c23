// The two sides of a synchronization: the files of this machine, and those of the agent.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import type { Client } from "../../client/index.ts";
import type { PathFilter, UserFiles } from "../../filesystem/index.ts";
import { onAgent, onThisMachine } from "../files/file-problem.ts";
import { inDirectory } from "../files/place.ts";
import { type Inventory, localInventory, remoteInventory } from "./inventory.ts";

export interface Side {
  /** For messages: "on the agent". */
  readonly name: string;
  readonly directory: string;
  /** At and below a path of the directory; undefined if the directory is missing. */
  inventory(path: string): Promise<Inventory | undefined>;
  /** With everything in it. */
  remove(path: string): Promise<void>;
  /** Of a file's content. */
  digest(path: string): Promise<string>;
}

export function localSide(files: UserFiles, directory: string, isExcluded: PathFilter): Side {
  const full = (path: string) => inDirectory(directory, path);
  return {
    name: "on this machine",
    directory,
    inventory: (path) => localInventory(files, directory, path, isExcluded),
    remove: (path) =>
      onThisMachine("remove", full(path), () => rm(full(path), { recursive: true, force: true })),
    digest: (path) =>
      onThisMachine("read", full(path), () =>
        digestOf(createReadStream(full(path)) as AsyncIterable<Buffer>),
      ),
  };
}

export function remoteSide(client: Client, directory: string, isExcluded: PathFilter): Side {
  const full = (path: string) => inDirectory(directory, path);
  return {
    name: "on the agent",
    directory,
    inventory: (path) => onAgent(directory, () => remoteInventory(client, directory, path, isExcluded)),
    remove: (path) => onAgent(full(path), () => client.files.remove(full(path))),
    digest: (path) => onAgent(full(path), async () => digestOf(await client.files.download(full(path)))),
  };
}

async function digestOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}
