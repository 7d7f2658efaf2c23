// A mode as Go's FileMode prints it, which clients of this protocol expect: the letters of its kind
// and special bits, then nine permissions. Not as ls prints it: setuid is a letter in front.

const kinds = new Map<number, string>([
  [0o040000, "d"],
  [0o120000, "L"],
  [0o060000, "D"],
  [0o010000, "p"],
  [0o140000, "S"],
  [0o020000, "Dc"],
]);

/** In Go's order: d, L, D, p, S, u, g, c, t. */
export function permissionText(mode: number): string {
  const kind = kinds.get(mode & 0o170000) ?? "";
  const special = `${(mode & 0o4000) === 0 ? "" : "u"}${(mode & 0o2000) === 0 ? "" : "g"}`;
  const letters = kind === "Dc" ? `D${special}c` : `${kind}${special}`;
  const prefix = `${letters}${(mode & 0o1000) === 0 ? "" : "t"}`;
  return `${prefix === "" ? "-" : prefix}${[6, 3, 0].map((shift) => triple(mode >> shift)).join("")}`;
}

function triple(bits: number): string {
  return `${(bits & 4) === 0 ? "-" : "r"}${(bits & 2) === 0 ? "-" : "w"}${(bits & 1) === 0 ? "-" : "x"}`;
}
