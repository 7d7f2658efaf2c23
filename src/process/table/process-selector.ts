// How a client names a process, and the search for it.

import { HoldfastError } from "../../errors.ts";
import type { Process } from "../process.ts";

/** Which process a client means. A tag names the newest live process that carries it. */
export type ProcessSelector =
  | { readonly kind: "pid"; readonly pid: number }
  | { readonly kind: "tag"; readonly tag: string }
  | { readonly kind: "process_id"; readonly processId: string };

/** The last of `processes` that `selector` names. Throws `not_found`. */
export function findAmong(processes: readonly Process[], selector: ProcessSelector): Process {
  const found = processes.findLast(({ pid, processId, request }) => {
    if (selector.kind === "pid") return pid === selector.pid;
    return selector.kind === "tag" ? request.tag === selector.tag : processId === selector.processId;
  });
  if (found === undefined) throw notFound(selector);
  return found;
}

function notFound(selector: ProcessSelector): HoldfastError {
  const { kind, ...value } = selector;
  return new HoldfastError("not_found", `no process with ${kind} ${JSON.stringify(Object.values(value)[0])}`);
}
