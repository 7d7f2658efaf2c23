// The context of every transfer of a command.

import type { Client } from "../../client/index.ts";
import type { TransferView } from "./transfer-view.ts";

export interface TransferContext {
  /** It reconnects. */
  readonly client: Client;
  readonly view: TransferView;
  /** Aborts when a signal ends the command. */
  readonly signal: AbortSignal;
}
