// The processes that a client's token may know of. For all others, the answer is that of a process that does not exist.

import type { Grant } from "../../http/index.ts";
import { findAmong, type Process, type ProcessSelector, type ProcessTable } from "../../process/index.ts";

export type SeenProcesses = Pick<
  ProcessTable,
  "countSameTag" | "find" | "findRetained" | "list" | "listEnded"
>;

/** The table itself for a token that is not limited. */
export function seenBy(grant: Grant, table: ProcessTable): SeenProcesses {
  if (grant.processes === undefined) return table;
  const isSeen = (process: Process) => grant.sees(process);
  const list = () => table.list().filter(isSeen);
  const listEnded = () => table.listEnded().filter(isSeen);
  return {
    list,
    listEnded,
    countSameTag: ({ processId, request: { tag } }) =>
      list().filter(
        ({ processId: other, request }) => tag !== undefined && request.tag === tag && other !== processId,
      ).length,
    find: (selector: ProcessSelector) => findAmong(list(), selector),
    // Without the reason why a process is gone: it could be another one than those of the token.
    findRetained: (selector: ProcessSelector) => findAmong([...listEnded(), ...list()], selector),
  };
}
