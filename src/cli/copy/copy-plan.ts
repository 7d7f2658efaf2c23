// Decides the target of each source of `holdfast cp`, before anything is copied. The rules are
// those of cp, docker cp and scp.

import { FileProblem } from "../files/file-problem.ts";
import { inDirectory, nameOfPlace, type Place, parentOfPath, withoutTrailingSlash } from "../files/place.ts";

/** The kind of file at a path. `other`: a device, a FIFO, a socket. */
export interface PathState {
  readonly kind: "file" | "directory" | "other";
  /** Permission bits. */
  readonly mode: number;
  readonly bytes: number;
  /** Its own name, for `~`. */
  readonly name?: string;
}

/** Looks paths up, on one side each. Undefined: there is nothing. */
export interface LookUps {
  remote(path: string): Promise<PathState | undefined>;
  local(path: string): Promise<PathState | undefined>;
}

export interface Copy {
  readonly source: Place;
  /** Undefined for a pipe. */
  readonly state: PathState | undefined;
  readonly target: Place;
}

/** Throws a FileProblem that names the word and the fix. */
export async function planCopies(
  sources: readonly Place[],
  target: Place,
  lookUps: LookUps,
): Promise<Copy[]> {
  checkSides(sources, target);
  const lookUp = (place: Place): Promise<PathState | undefined> =>
    place.kind === "pipe" ? Promise.resolve(undefined) : lookUps[place.kind](place.path);
  const states: (PathState | undefined)[] = [];
  for (const source of sources) states.push(await existing(source, lookUp));
  const found = target.kind === "pipe" ? undefined : await lookUp(target);
  const copies: Copy[] = [];
  const taken = new Set<string>();
  for (const [index, source] of sources.entries()) {
    const state = states[index];
    const to = await targetOf({ source, state, target, found, isOnly: sources.length === 1, lookUp });
    if (to.kind !== "pipe" && taken.has(to.path))
      throw new FileProblem(`two sources would become ${to.typed}: copy them one after the other`);
    if (to.kind !== "pipe") taken.add(to.path);
    copies.push({ source, state, target: to });
  }
  return copies;
}

function checkSides(sources: readonly Place[], target: Place): void {
  const isUp = target.kind === "remote";
  for (const source of sources) {
    if (isUp && source.kind === "remote")
      throw new FileProblem(
        `${source.typed} and ${target.typed} are both on the agent: holdfast run -- cp -r ${source.path} ${target.path}`,
      );
    if (isUp || source.kind === "remote") continue;
    const [, container, path] = /^([\w.-]+):(.+)$/.exec(source.typed) ??
      /^([\w.-]+):(.+)$/.exec(target.typed) ?? [undefined, undefined, undefined];
    if (container !== undefined)
      throw new FileProblem(
        `a path on the agent begins with ":", as in :${path}; --context or --url names the agent`,
      );
    throw new FileProblem(
      `${source.typed} and ${target.typed} are both on this machine: a path on the agent begins with ":"`,
    );
  }
  if (sources.filter(({ kind }) => kind === "pipe").length > 0 && sources.length > 1)
    throw new FileProblem('"-" reads stdin and has no name, so it cannot be one of several sources');
  if (target.kind === "pipe" && sources.length > 1)
    throw new FileProblem('"-" writes to stdout and takes one source; holdfast cat joins several files');
}

async function existing(
  source: Place,
  lookUp: (place: Place) => Promise<PathState | undefined>,
): Promise<PathState | undefined> {
  if (source.kind === "pipe") return undefined;
  const state = await lookUp(source);
  if (state !== undefined) return state;
  if (source.kind === "local")
    throw new FileProblem(
      `on this machine: cannot read "${source.path}": it does not exist (ENOENT); a path on the agent begins with ":"`,
    );
  const parent = parentOfPath(withoutTrailingSlash(source.path));
  throw new FileProblem(
    `on the agent: cannot read "${source.path}": it does not exist (ENOENT); holdfast ls :${parent} lists what is there`,
  );
}

interface Question {
  readonly source: Place;
  readonly state: PathState | undefined;
  readonly target: Place;
  /** The present file at the target. */
  readonly found: PathState | undefined;
  readonly isOnly: boolean;
  lookUp(place: Place): Promise<PathState | undefined>;
}

async function targetOf(question: Question): Promise<Place> {
  const { source, state, target, found, isOnly, lookUp } = question;
  if (target.kind === "pipe") return target;
  const isDirectory = state?.kind === "directory";
  if (found?.kind === "directory") {
    if (source.kind === "pipe")
      throw new FileProblem(`${target.typed} is a directory: name the file in it, because "-" has no name`);
    const name = nameOfPlace(source);
    if (name === "" && !isDirectory) throw new FileProblem(`${source.typed} has no name to copy it under`);
    const inside = placed(target, inDirectory(target.path, name));
    if (name !== "") checkKinds(source, isDirectory, inside, await lookUp(inside));
    return inside;
  }
  if (!isOnly)
    throw new FileProblem(
      `${target.typed} is not a directory: several sources need one that exists${
        found === undefined ? "; make it first" : ""
      }`,
    );
  checkKinds(source, isDirectory, target, found);
  if (found !== undefined) return target;
  if (target.path.endsWith("/") && !isDirectory)
    throw new FileProblem(
      `${target.typed} does not exist: ${makeIt(target)}, or leave out the slash at its end`,
    );
  const path = withoutTrailingSlash(target.path);
  const parent = placed(target, parentOfPath(path), target.kind === "local" && !path.includes("/"));
  const above = await lookUp(parent);
  if (above === undefined) throw new FileProblem(`${parent.typed} does not exist: ${makeIt(parent)}`);
  if (above.kind !== "directory") throw new FileProblem(`${parent.typed} is not a directory`);
  return placed(target, path);
}

function checkKinds(source: Place, isDirectory: boolean, target: Place, found: PathState | undefined): void {
  if (found === undefined) return;
  if (isDirectory && found.kind !== "directory")
    throw new FileProblem(`${source.typed} is a directory, and ${target.typed} is not`);
  if (!isDirectory && found.kind === "directory")
    throw new FileProblem(`${target.typed} is a directory, and ${source.typed} is not`);
}

function placed(like: Place, path: string, isHere = false): Place {
  if (like.kind === "remote") return { kind: "remote", path, typed: `:${path}` };
  return isHere ? { kind: "local", path: ".", typed: "." } : { kind: "local", path, typed: path };
}

function makeIt(place: Place): string {
  if (place.kind === "local") return `make it first (mkdir -p ${place.path})`;
  return `make it first (holdfast run -- mkdir -p ${place.kind === "remote" ? place.path : ""})`;
}
