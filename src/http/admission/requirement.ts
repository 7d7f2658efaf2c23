// The scope that a request needs. The tables are those of rpc/ and control/; a request in no table
// needs the highest scope.

import type { NodeRequest } from "../exchange.ts";
import type { Scope } from "./grant.ts";

export interface Requirement {
  readonly scope: Scope;
  /** Whether a token that is limited to some processes may send it: the answer shows and changes only these. */
  readonly isForProcesses: boolean;
}

/** Everything that no table names. */
export const HIGHEST: Requirement = { scope: "admin", isForProcesses: false };

/** "none": no token. "own": the answer itself checks the token, which can be in the body. */
export type RequirementOf = (request: NodeRequest) => Requirement | "none" | "own";
