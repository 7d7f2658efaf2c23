// Which paths of a tree a request leaves out, by glob patterns. A pattern without a slash matches a name at any depth, as
// in .gitignore. What is below a directory that is left out is left out as well.

import picomatch from "picomatch";
import { HoldfastError } from "../../errors.ts";
import { clip } from "../../text.ts";

const MAX_PATTERNS = 64;
const MAX_LENGTH = 256;
/** A pattern is tried on the event loop: more stars in one name could take seconds. */
const MAX_STARS = 3;

export type PathFilter = (path: string) => boolean;

/** True for paths to leave out. Throws `invalid_argument` for patterns that are too many, too long or too complex. */
export function pathFilter(patterns: readonly string[]): PathFilter {
  if (patterns.length > MAX_PATTERNS)
    throw new HoldfastError("invalid_argument", `${patterns.length} patterns; the limit is ${MAX_PATTERNS}`);
  const matchers = patterns.map((pattern) => {
    const problem = problemOf(pattern);
    if (problem !== undefined)
      throw new HoldfastError("invalid_argument", `the pattern "${clip(pattern)}" ${problem}`);
    return picomatch(pattern.replace(/^\/+|\/+$/g, ""), {
      dot: true,
      basename: !pattern.replace(/\/+$/, "").includes("/"),
      nobrace: true,
      noextglob: true,
    });
  });
  return (path) => matchers.some((matches) => matches(path));
}

function problemOf(pattern: string): string | undefined {
  if (pattern === "" || pattern.length > MAX_LENGTH) return `must have 1 to ${MAX_LENGTH} characters`;
  const isComplex = pattern
    .split("/")
    .some((part) => part !== "**" && (part.match(/\*/g) ?? []).length > MAX_STARS);
  const depth = pattern.split("/").filter((part) => part === "**").length;
  return isComplex || depth > MAX_STARS
    ? `has more than ${MAX_STARS} stars in one name, or of "**"`
    : undefined;
}
