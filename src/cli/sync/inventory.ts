// The entries of a directory, on this machine or on the agent, with the fields that a comparison
// needs. Paths are relative to it.

import { realpath } from "node:fs/promises";
import { resolve } from "node:path";
import type { Client, FileEntry } from "../../client/index.ts";
import { HoldfastError } from "../../errors.ts";
import { closeFile, type PathFilter, type UserFiles } from "../../filesystem/index.ts";
import { FileProblem, ifFound, onThisMachine } from "../files/file-problem.ts";
import { inDirectory, parentOfPath } from "../files/place.ts";

export interface Item {
  readonly kind: "file" | "directory" | "link" | "other";
  readonly bytes: number;
  readonly mtimeMs: number;
  readonly mode: number;
  /** Where a link leads, as an absolute path; its own path if it leads nowhere. */
  readonly leadsTo: string | undefined;
}

export interface Inventory {
  readonly items: ReadonlyMap<string, Item>;
  /** Directories that hold something that was left out: they are never removed as a whole. */
  readonly guarded: ReadonlySet<string>;
  /** The absolute path of the directory; empty if it is not known. */
  readonly root: string;
}

/** Deeper than the agent lists. */
const ALL_LEVELS = 512;

class Building {
  readonly items = new Map<string, Item>();
  readonly guarded = new Set<string>();
  readonly isExcluded: PathFilter;

  constructor(isExcluded: PathFilter) {
    this.isExcluded = isExcluded;
  }

  /** Whether it is part of the inventory. */
  add(path: string, item: Item): boolean {
    if (!this.isExcluded(path)) {
      this.items.set(path, item);
      return true;
    }
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1))
      this.guarded.add(path.slice(0, end));
    return false;
  }
}

/** Everything at and below `path` of the directory; all of it for an empty path. Undefined if the directory is missing. */
export async function localInventory(
  files: UserFiles,
  directory: string,
  path: string,
  isExcluded: PathFilter,
): Promise<Inventory | undefined> {
  const building = new Building(isExcluded);
  const root = await openDirectory(files, directory);
  if (root === undefined) return undefined;
  try {
    const real = await onThisMachine("read", directory, () => realpath(directory));
    const walk = async (folder: string, only: string | undefined): Promise<void> => {
      const entries =
        (await files.call("readTreeFolder", [root, Buffer.from(folder)])) ?? goneIn(folder, directory);
      for (const entry of entries) {
        const name = Buffer.from(entry.name).toString();
        if (only !== undefined && name !== only) continue;
        const place = folder === "" ? name : `${folder}/${name}`;
        const kind = entry.kind === "symlink" ? "link" : entry.kind;
        const target = entry.target === undefined ? undefined : Buffer.from(entry.target).toString();
        const item: Item = {
          ...{ kind, bytes: entry.bytes, mtimeMs: entry.mtimeMs, mode: entry.mode & 0o777 },
          leadsTo: target === undefined ? undefined : resolved(real, place, target),
        };
        if (building.add(place, item) && kind === "directory") await walk(place, undefined);
      }
    };
    await onThisMachine("read", directory, () =>
      walk(folderOf(path), path === "" ? undefined : nameOf(path)),
    );
    return { items: building.items, guarded: building.guarded, root: real };
  } finally {
    await closeFile(root);
  }
}

async function openDirectory(files: UserFiles, directory: string): Promise<number | undefined> {
  try {
    return (await files.call("openTree", [Buffer.from(resolve(directory))])).fd;
  } catch (error) {
    if (Reflect.get(Object(error), "code") === "not_found") return undefined;
    return await onThisMachine("read", directory, () => Promise.reject(error));
  }
}

/** A directory that is gone when it is read has nothing in it. */
function goneIn(folder: string, directory: string): [] {
  if (folder !== "") return [];
  throw new HoldfastError("not_found", `directory "${directory}" is gone`);
}

function resolved(root: string, place: string, target: string): string {
  if (target.startsWith("/")) return target;
  const parts = `${root}/${folderOf(place)}/${target}`.split("/");
  const up: string[] = [];
  for (const part of parts) {
    if (part === "" || part === ".") continue;
    if (part === "..") up.pop();
    else up.push(part);
  }
  return `/${up.join("/")}`;
}

/** The same for the agent. */
export async function remoteInventory(
  client: Client,
  directory: string,
  path: string,
  isExcluded: PathFilter,
): Promise<Inventory | undefined> {
  const root = await ifFound(directory, () => client.files.stat(directory));
  if (root === undefined) return undefined;
  if (root.kind !== "directory") throw new FileProblem(`:${directory} is not a directory`);
  const building = new Building(isExcluded);
  const real = root.linkTarget ?? root.path;
  const take = (entries: readonly FileEntry[], above: string, below: string) => {
    for (const entry of entries) {
      const name = entry.path.slice(above.length).replace(/^\/+/, "");
      // The agent chooses the names: none may lead out of the directory here.
      if (name === "" || name.split("/").includes(".."))
        throw new FileProblem(`the agent lists a path that leads out of :${directory}: "${entry.path}"`);
      const place = below === "" ? name : `${below}/${name}`;
      if (!isBelowExcluded(place, building)) building.add(place, itemOf(entry));
    }
  };
  if (path === "") {
    take(await listing(client, directory), root.path, "");
    return { items: building.items, guarded: building.guarded, root: real };
  }
  const full = inDirectory(directory, path);
  const entry = await ifFound(full, () => client.files.stat(full));
  if (entry !== undefined && building.add(path, itemOf(entry)) && itemOf(entry).kind === "directory")
    take(await listing(client, full), entry.path, path);
  return { items: building.items, guarded: building.guarded, root: real };
}

async function listing(client: Client, path: string): Promise<readonly FileEntry[]> {
  return (await ifFound(path, () => client.files.list(path, { depth: ALL_LEVELS }))) ?? [];
}

function isBelowExcluded(path: string, { isExcluded, guarded }: Building): boolean {
  for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1)) {
    if (!isExcluded(path.slice(0, end))) continue;
    for (let at = path.lastIndexOf("/", end - 1); at > 0; at = path.lastIndexOf("/", at - 1))
      guarded.add(path.slice(0, at));
    return true;
  }
  return false;
}

function itemOf({ kind, size, modifiedAt, mode, linkTarget }: FileEntry): Item {
  const own = linkTarget === undefined ? kind : "link";
  const bytes = own === "file" ? size : 0;
  return { kind: own, bytes, mtimeMs: modifiedAt?.getTime() ?? 0, mode, leadsTo: linkTarget };
}

function folderOf(path: string): string {
  return path.includes("/") ? parentOfPath(path) : "";
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
