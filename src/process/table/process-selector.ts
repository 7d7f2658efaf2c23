// How a client names a process, and the search for it.

import { HoldfastError } from "../../errors.ts";
import type { Process } from "../process.ts";

/** Which process a client means. A tag names the newest live process that carries it. */
export type ProcessSelector =
  | { readonly kind: "pid"; readonly pid: number }
  | { readonly kind: "tag"; readonly tag: string }
  | { readonly kind: "process_id"; readonly processId: string };

/** The last of `processes` that `selector` means; `tagOf` is undefined for a process without a tag. */
export function findLastSelected<T extends { readonly pid: number; readonly processId: string }>(
  processes: readonly T[],
  selector: ProcessSelector,
  tagOf: (process: T) => string | undefined,
): T | undefined {
  return processes.findLast((process) => {
    if (selector.kind === "pid") return process.pid === selector.pid;
    if (selector.kind === "tag") return tagOf(process) === selector.tag;
    return process.processId === selector.processId;
  });
}

/** The last of `processes` that `selector` means. Throws `not_found`, with the reason if `whyGone` knows one. */
export function findAmong(
  processes: readonly Process[],
  selector: ProcessSelector,
  whyGone: (selector: ProcessSelector) => string | undefined = () => undefined,
): Process {
  const found = findLastSelected(processes, selector, ({ request }) => request.tag);
  if (found === undefined) throw notFound(selector, whyGone(selector));
  return found;
}

function notFound(selector: ProcessSelector, reason: string | undefined): HoldfastError {
  const { kind, ...value } = selector;
  const message = `no process with ${kind} ${JSON.stringify(Object.values(value)[0])}`;
  return new HoldfastError("not_found", reason === undefined ? message : `${message}: ${reason}`);
}
