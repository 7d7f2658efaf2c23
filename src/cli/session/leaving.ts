// How a session is left while its process continues: the exit code, and a notice that claims no
// more about the process than is known.

import { constants } from "node:os";
import type { SignalName } from "../../client/index.ts";
import { exitCodes } from "../exit-codes.ts";

/** The reason of the end of the session, and whether the process is known to have ended. */
export interface Leave {
  readonly by: "keys" | SignalName;
  readonly hasEnded: boolean;
}

/** The known state of the process when it is left. */
export type Fate = "running" | "ended" | "ending" | "unknown";

export function statusOfLeaving({ by }: Leave): number {
  return by === "keys" ? exitCodes.done : exitCodes.interrupted(constants.signals[by]);
}
