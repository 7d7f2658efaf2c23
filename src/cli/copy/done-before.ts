// Which entries of an archive need not be sent again after its connection was lost. The agent packs
// a directory in the order of the names' bytes, so everything before some entry has arrived. A few
// globs describe that: the siblings that come before a name differ from it in one character.

/** Names that the agent's globs cannot name exactly. */
const SPECIAL = /[*?[\]{}!\\]/;
/** The agent's limit is in characters; agents before 0.2 count UTF-16 units, so this does as well. */
const MAX_GLOB_LENGTH = 256;

/**
 * Globs for the entries up to `last`, which has arrived with everything before it, in at most
 * `limit` globs. `seen` are all paths that the archive has named, in their order. A glob may also
 * name entries that the archive did not have: those that were made meanwhile, before `last`.
 * `isDirectory`: only its own entry has arrived, and not its content.
 */
export function globsBefore(
  seen: readonly string[],
  last: string,
  isDirectory: boolean,
  limit: number,
): string[] {
  const end = seen.lastIndexOf(last);
  const parts = last.split("/");
  const globs = new Set<string>();
  for (const path of seen.slice(0, end)) {
    const names = path.split("/");
    const depth = names.length - 1;
    // A sibling of one of the directories above `last`, or of `last` itself.
    if (depth >= parts.length || !names.slice(0, depth).every((name, at) => name === parts[at])) continue;
    const [name = "", before = ""] = [names[depth], parts[depth]];
    if (name === before) continue;
    const glob = `/${[...names.slice(0, depth), `${distinctBeginning(name, before)}*`].join("/")}`;
    if (isUsable(glob.slice(0, -1))) globs.add(glob);
  }
  if (!isDirectory && isUsable(`/${last}`)) globs.add(`/${last}`);
  return [...globs].slice(0, limit);
}

/** The shortest beginning of `name` that `other` does not have. */
function distinctBeginning(name: string, other: string): string {
  const [characters, others] = [Array.from(name), Array.from(other)];
  const at = characters.findIndex((character, index) => character !== others[index]);
  // `name` is the beginning of `other`: the glob must not match `other`.
  return at < 0 ? `${name}\0` : characters.slice(0, at + 1).join("");
}

function isUsable(glob: string): boolean {
  return !SPECIAL.test(glob) && !glob.includes("\0") && glob.length < MAX_GLOB_LENGTH;
}
