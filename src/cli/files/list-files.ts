// Runs `holdfast ls`.

import type { Client, FileEntry } from "../../client/index.ts";
import { layOut } from "../commands/text-table.ts";
import { ONE_TRY, withClient } from "../connect/with-client.ts";
import { exitCodes } from "../exit-codes.ts";
import type { UrlFlag } from "../options/agent-flags.ts";
import { writeOut } from "../report/report.ts";
import { printError } from "../stdio.ts";
import { FileProblem, onAgent } from "./file-problem.ts";
import { remotePlace } from "./remote-place.ts";

/** As commander names the values of the flags. */
export interface LsFlags extends UrlFlag {
  readonly user?: string;
  readonly json?: boolean;
  readonly long?: boolean;
  readonly all?: boolean;
}

interface Listing {
  readonly typed: string;
  readonly isDirectory: boolean;
  readonly entries: readonly FileEntry[];
}

/** Resolves with the exit code. A path that fails does not stop the others. */
export function listFiles(words: readonly string[], flags: LsFlags): Promise<number> {
  const { url, user, json = false } = flags;
  return withClient(
    { url, reconnect: ONE_TRY, user, failureCode: () => exitCodes.failed },
    async (client) => {
      const places = (words.length === 0 ? [":"] : words).map(remotePlace);
      let code: number = exitCodes.done;
      const listings: Listing[] = [];
      for (const { path, typed } of places) {
        try {
          listings.push(await onAgent(path, () => listingOf(client, path, typed, flags)));
        } catch (error) {
          if (!(error instanceof FileProblem)) throw error;
          printError(error.message);
          code = exitCodes.failed;
        }
      }
      if (json) {
        const entries = listings.flatMap((listing) => listing.entries.map(toJson));
        await writeOut(process.stdout, `${JSON.stringify(entries)}\n`);
      } else await writeOut(process.stdout, textOf(listings, places.length > 1, flags));
      return code;
    },
  );
}

async function listingOf(
  client: Client,
  path: string,
  typed: string,
  { all = false }: LsFlags,
): Promise<Listing> {
  const entry = await client.files.stat(path);
  if (entry.kind !== "directory") return { typed, isDirectory: false, entries: [entry] };
  const entries = (await client.files.list(path)).filter(({ name }) => all || !name.startsWith("."));
  return { typed, isDirectory: true, entries };
}

/** Files first, then each directory under its name, as ls. */
function textOf(listings: readonly Listing[], hasHeadings: boolean, { long = false }: LsFlags): string {
  const nameOf = (listing: Listing, { name }: FileEntry) =>
    listing.isDirectory ? name : listing.typed.slice(1);
  const lines = (shown: readonly Listing[]): string[] => {
    const rows = shown.flatMap((listing) =>
      listing.entries.map((entry) => ({ entry, name: nameOf(listing, entry) })),
    );
    if (!long) return rows.map(({ name }) => shownName(name));
    return layOut(
      columns,
      rows.map(({ entry, name }) => longCells(entry, name)),
    ).slice(1);
  };
  const files = lines(listings.filter(({ isDirectory }) => !isDirectory));
  const folders = listings
    .filter(({ isDirectory }) => isDirectory)
    .map((listing) => [...(hasHeadings ? [`${shownName(listing.typed)}:`] : []), ...lines([listing])]);
  const blocks = [...(files.length > 0 ? [files] : []), ...folders];
  return blocks.map((block) => block.map((line) => `${line}\n`).join("")).join("\n");
}

const columns = [
  ...(["left", "left", "left", "right", "left", "left"] as const).map((align) => ({ heading: "", align })),
];

function longCells(
  { permissions, owner, group, size, modifiedAt, linkTarget }: FileEntry,
  name: string,
): string[] {
  const time = modifiedAt === undefined ? "" : localTime(modifiedAt);
  const mode = permissionsOfLs(permissions);
  return [
    mode,
    owner,
    group,
    String(size),
    time,
    linkTarget === undefined ? name : `${name} -> ${linkTarget}`,
  ];
}

/** The agent writes them as Go does, with other letters for links, devices and sockets. */
function permissionsOfLs(permissions: string): string {
  const types = { d: "d", L: "l", Dc: "c", D: "b", p: "p", S: "s" };
  const letters = permissions.slice(0, -9);
  const [, type = "-"] = Object.entries(types).find(([letter]) => letters.includes(letter)) ?? [];
  return `${type}${permissions.slice(-9)}`;
}

/** In the time zone of this machine: 2026-11-28 10:00. */
function localTime(date: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** On a terminal, a name must not move the cursor; on a pipe it stays as it is. */
function shownName(name: string): string {
  return process.stdout.isTTY === true ? name.replace(/\p{Cc}/gu, "?") : name;
}

function toJson({ name, path, kind, size, mode, permissions, owner, group, ...rest }: FileEntry): object {
  const { modifiedAt, linkTarget, metadata } = rest;
  return {
    ...{ name, path, kind, size, mode: mode.toString(8).padStart(4, "0"), permissions, owner, group },
    modified_at: modifiedAt?.toISOString() ?? null,
    link_target: linkTarget ?? null,
    metadata,
  };
}
