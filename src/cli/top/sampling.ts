// Shared by the printed tables and the live view of `holdfast top`: the flags, and one list of the
// processes.

import type { Client } from "../../client/index.ts";
import { markAgentReached } from "../connect/chosen-agent.ts";
import type { UrlFlag } from "../options/agent-flags.ts";
import type { Sample, SortKey } from "./rates.ts";

/** As commander names the values of the flags. */
export interface TopFlags extends UrlFlag {
  readonly interval: number;
  readonly count?: number;
  readonly sort: SortKey;
  readonly json?: boolean;
}

export async function sample(client: Client, signal?: AbortSignal): Promise<Sample> {
  const processes = await client.list({ usage: true, ...(signal && { signal }) });
  markAgentReached();
  return { atMs: performance.now(), processes };
}
