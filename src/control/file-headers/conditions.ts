// Conditional requests (RFC 9110, 13): whether the client's copy is the current one.

import type { HeaderReader } from "../../http/index.ts";

/** The version of a file at the moment of the request. */
export interface FileVersion {
  /** Strong, with quotes. */
  readonly etag: string;
  readonly modifiedMs: number;
}

export type Condition = "proceed" | "not-modified" | "failed";

/** `current` is undefined for a file that does not exist. */
export function checkConditions(
  header: HeaderReader,
  current: FileVersion | undefined,
  isRead: boolean,
): Condition {
  const match = header.get("If-Match");
  if (match !== null) {
    if (!matches(match, current, true)) return "failed";
  } else {
    const unmodifiedSince = dateOf(header.get("If-Unmodified-Since"));
    if (unmodifiedSince !== undefined && current !== undefined && seconds(current) > unmodifiedSince)
      return "failed";
  }
  const noneMatch = header.get("If-None-Match");
  if (noneMatch !== null) {
    if (matches(noneMatch, current, false)) return isRead ? "not-modified" : "failed";
    return "proceed";
  }
  const modifiedSince = isRead ? dateOf(header.get("If-Modified-Since")) : undefined;
  if (modifiedSince !== undefined && current !== undefined && seconds(current) <= modifiedSince)
    return "not-modified";
  return "proceed";
}

/** Whether Range applies: only if the client's copy, named by If-Range, is the current one. */
export function doesRangeApply(header: HeaderReader, current: FileVersion): boolean {
  const value = header.get("If-Range");
  if (value === null) return true;
  if (value.includes('"')) return value.trim() === current.etag;
  return dateOf(value) === seconds(current);
}

export function hasConditions(header: HeaderReader): boolean {
  return ["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"].some(
    (name) => header.get(name) !== null,
  );
}

/** Of the compressed answer: its bytes are others, but it is the same version of the file. */
export function compressedEtag(etag: string): string {
  return etag.replace(/"$/, '-gzip"');
}

function matches(list: string, current: FileVersion | undefined, isStrong: boolean): boolean {
  if (list.trim() === "*") return current !== undefined;
  if (current === undefined) return false;
  const tags = list.match(/(?:W\/)?"[^"]*"/g) ?? [];
  const own = [current.etag, compressedEtag(current.etag)];
  return tags.some((tag) => own.includes(isStrong ? tag : tag.replace(/^W\//, "")));
}

function seconds({ modifiedMs }: FileVersion): number {
  return Math.floor(modifiedMs / 1000);
}

/** In seconds. A malformed date counts as none. */
function dateOf(value: string | null): number | undefined {
  const ms = value === null ? Number.NaN : Date.parse(value);
  return Number.isNaN(ms) ? undefined : Math.floor(ms / 1000);
}
