// The user and the path of a request for files.

import { isUtf8 } from "node:buffer";
import { HoldfastError } from "../../errors.ts";
import {
  type FileAccess,
  type FileUser,
  type Following,
  findFileUser,
  type Owner,
  resolvePath,
  type UserFiles,
} from "../../filesystem/index.ts";
import { headerReader, type NodeRequest, type Query } from "../../http/index.ts";
import { clip } from "../../text.ts";

export interface Requester {
  readonly files: UserFiles;
  /** The owner of new files; undefined if that follows from the rights with which they are made. */
  readonly owner: Owner | undefined;
  /** From the client's path to the one that the kernel gets. */
  resolve(path: Buffer): Buffer;
}

/** The defaults that `POST /init` or flags set. */
export interface FileDefaults {
  readonly user: string | undefined;
  readonly workdir: string | undefined;
}

/** `username` of the query or body, else the name in Authorization, else the default. Empty names count as none. */
export async function requesterOf(
  request: NodeRequest,
  username: string | undefined,
  access: FileAccess,
  defaults: FileDefaults,
): Promise<Requester> {
  const user = await findFileUser(username || basicName(request) || defaults.user);
  const isGiven = access.mode === "agent" && !user.isOwn;
  return {
    files: access.for(user),
    owner: isGiven ? { uid: user.uid, gid: user.gid } : undefined,
    resolve: (path) => resolveBytes(path, user, defaults.workdir),
  };
}

function basicName(request: NodeRequest): string | undefined {
  const [, base64] = /^basic(?: +(.*))?$/i.exec(headerReader(request).get("Authorization") ?? "") ?? [];
  const text = Buffer.from(base64 ?? "", "base64").toString();
  return text.includes(":") ? text.slice(0, text.indexOf(":")) : undefined;
}

/** resolvePath works on text. Bytes that are not UTF-8 go through it as latin1, which keeps every byte. */
function resolveBytes(path: Buffer, user: FileUser, workdir: string | undefined): Buffer {
  if (isUtf8(path)) return Buffer.from(resolvePath(path.toString(), user, workdir));
  const latin1 = (text: string) => Buffer.from(text).toString("latin1");
  const homeOnly = { ...user, home: latin1(user.home) };
  return Buffer.from(resolvePath(path.toString("latin1"), homeOnly, undefined), "latin1");
}

/** A parameter that is true or false; false without it. */
export function flagIn(query: Query, name: string): boolean {
  const value = query.text(name);
  if (value === undefined || value === "false" || value === "0") return false;
  if (value === "true" || value === "1" || value === "") return true;
  throw new HoldfastError("invalid_argument", `${name} is true or false, not "${clip(value)}"`);
}

/** `no_follow`: whether links of the path are followed. */
export function followingIn(query: Query): Following {
  if (query.text("no_follow") === "all") return "none";
  return flagIn(query, "no_follow") ? "not-last" : "all";
}

/** Permission bits in octal. */
export function modeIn(query: Query): number | undefined {
  const value = query.text("mode");
  if (value === undefined || value === "") return undefined;
  if (/^0?[0-7]{3}$/.test(value)) return Number.parseInt(value, 8);
  throw new HoldfastError("invalid_argument", `mode is three octal digits such as 755, not "${clip(value)}"`);
}
