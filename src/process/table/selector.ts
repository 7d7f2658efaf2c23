// Which process a client means.

/** A tag names the newest live process that carries it. */
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
