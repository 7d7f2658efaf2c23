// Which paths of a tree a request leaves out, by globs. Everything below such a directory is left
// out as well.

import { HoldfastError } from "../../errors.ts";
import { clip, lengthProblem } from "../../text.ts";
import { createGlobs } from "../watch/globs.ts";

const MAX_PATTERNS = 64;
const MAX_LENGTH = 256;

export type PathFilter = (path: string) => boolean;

/** True for paths to leave out. Throws `invalid_argument` for patterns that are too many or too long. */
export function pathFilter(patterns: readonly string[]): PathFilter {
  if (patterns.length > MAX_PATTERNS)
    throw new HoldfastError(
      "invalid_argument",
      `${patterns.length} exclude patterns; the limit is ${MAX_PATTERNS}`,
    );
  for (const pattern of patterns) {
    const problem = lengthProblem(pattern, { most: MAX_LENGTH });
    if (problem !== undefined)
      throw new HoldfastError("invalid_argument", `the exclude pattern "${clip(pattern)}" ${problem}`);
  }
  return createGlobs(patterns);
}
