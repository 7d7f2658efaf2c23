// A word of a command whose paths are all on the agent.

import { FileProblem } from "./file-problem.ts";
import { placeOf } from "./place.ts";

/** Throws a FileProblem for a word without the colon. */
export function remotePlace(typed: string): { readonly path: string; readonly typed: string } {
  const place = placeOf(typed);
  if (place.kind === "remote") return place;
  throw new FileProblem(`"${typed}" is not a path on the agent: write :${typed}`);
}
