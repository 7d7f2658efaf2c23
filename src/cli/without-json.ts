// The commands that have no --json: the reason, and what to use instead. All others have it.

const reasons: Readonly<Record<string, string>> = {
  serve: "it prints only its log; holdfast serve --log-format json prints that as JSON",
  cat:
    "it prints the bytes of files as they are; holdfast ls --json :PATH describes them, and holdfast cp --json :PATH FILE " +
    "reports a copy",
  edit: "it opens an editor; holdfast cp --json reports copies in both directions",
  completion: "it prints a script for a shell; run holdfast completion SHELL without it",
};

/** For the command with the name `name`; undefined if the mistake `line` is another one. */
export function jsonProblem(name: string, line: string): string | undefined {
  if (!line.startsWith("unknown option '--json'") || !Object.hasOwn(reasons, name)) return undefined;
  return `${name} has no --json: ${reasons[name]}`;
}
