// Which mount a path is on, from its text: groups the calls that wait for one dead mount, without
// touching it.

import { readFileSync } from "node:fs";

/** The longest mount point that `path` begins with; `path` itself if that is `/`, which says nothing. */
export function mountOf(path: string, mountPoints: readonly string[]): string {
  let longest = "/";
  for (const point of mountPoints) {
    const isInside = path === point || path.startsWith(`${point}/`);
    if (isInside && point.length > longest.length) longest = point;
  }
  return longest === "/" ? path : longest;
}

export function readMountPoints(): readonly string[] {
  try {
    return readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .flatMap((line) => {
        const point = line.split(" ")[4];
        return point === undefined ? [] : [unescapeOctal(point)];
      });
  } catch {
    // Without /proc each path is its own group.
    return [];
  }
}

/** Space, tab, line feed and backslash are octal. */
function unescapeOctal(point: string): string {
  return point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
