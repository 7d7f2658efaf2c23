// The operations of file threads for transfers.

import type { OperationContext } from "../threads/operation-context.ts";
import { completeRedo } from "./complete-redo.ts";
import { compose } from "./compose.ts";
import { openFile } from "./open-file.ts";
import { place } from "./place.ts";
import { openSpool } from "./spool.ts";
import { targetState } from "./target-state.ts";

export const transferOperations = {
  completeRedo,
  compose,
  openFile,
  openSpool: (_context: OperationContext, directory: Uint8Array) => openSpool(directory),
  place,
  targetState,
};
