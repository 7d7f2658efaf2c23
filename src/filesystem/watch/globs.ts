// The globs by which a watch leaves names out: `*` and `?` within a name, `**` for any number of
// names. Not a library: these translate globs to regular expressions, and one with many stars can
// keep the event loop busy for minutes. This takes at most the product of both lengths.

/** A glob without a slash matches a name at any depth; one with a slash matches the path from the root. */
export function createGlobs(globs: readonly string[]): (path: string) => boolean {
  const named = globs.filter((glob) => !trimmed(glob).includes("/")).map(trimmed);
  const placed = globs.filter((glob) => trimmed(glob).includes("/")).map((glob) => trimmed(glob).split("/"));
  return (path) => {
    const names = path.split("/");
    if (named.some((glob) => names.some((name) => matchesName(glob, name)))) return true;
    // A match of a directory excludes everything below it.
    return placed.some((glob) => names.some((_, index) => matchesPath(glob, names.slice(0, index + 1))));
  };
}

/** `/build` is `build` at the root; `build/` is a name. */
function trimmed(glob: string): string {
  const withoutEnd = glob.replace(/\/+$/, "");
  return withoutEnd.startsWith("/") ? `.${withoutEnd}` : withoutEnd;
}

function matchesPath(glob: readonly string[], names: readonly string[]): boolean {
  const parts = glob[0] === "." ? glob.slice(1) : glob;
  return matches(parts.length, names.length, {
    isStar: (at) => parts[at] === "**",
    fits: (at, index) => matchesName(parts[at] ?? "", names[index] ?? ""),
  });
}

function matchesName(glob: string, name: string): boolean {
  return matches(glob.length, name.length, {
    isStar: (at) => glob[at] === "*",
    fits: (at, index) => glob[at] === "?" || glob[at] === name[index],
  });
}

interface Pattern {
  /** Stands for any number of items. */
  isStar(at: number): boolean;
  fits(at: number, index: number): boolean;
}

/** Greedy: when it fails, the last star takes one item more. */
function matches(patternLength: number, length: number, { isStar, fits }: Pattern): boolean {
  let at = 0;
  let star = -1;
  let starIndex = 0;
  for (let index = 0; index < length; ) {
    if (at < patternLength && isStar(at)) {
      star = at++;
      starIndex = index;
    } else if (at < patternLength && fits(at, index)) {
      at++;
      index++;
    } else if (star >= 0) {
      at = star + 1;
      index = ++starIndex;
    } else return false;
  }
  while (at < patternLength && isStar(at)) at++;
  return at === patternLength;
}
