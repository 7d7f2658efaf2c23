// SELECTOR on the command line: a process_id, a pid or a tag, whichever there is.
import { createClient, ProcessGoneError, type ProcessInfo } from "../../client/index.ts";
import { clientToken } from "./client-token.ts";
import { ONE_TRY } from "./with-client.ts";

/**
 * A process_id is taken first, then a pid, then a tag; a live process before an ended one that is still retained.
 * Rejects with ProcessGoneError. From here on go by its processId: pid and tag may be another's in the next moment.
 */
export async function findProcess(url: string, selector: string): Promise<ProcessInfo> {
  const client = createClient({ baseUrl: url, reconnect: ONE_TRY, ...clientToken(process.env) });
  try {
    return pick(await client.list({ includeEnded: true }), selector);
  } finally {
    client.close();
  }
}

/** Of `processes`, which come as Client.list gives them: ended ones first, and the oldest of each kind. */
function pick(processes: readonly ProcessInfo[], selector: string): ProcessInfo {
  const found =
    processes.findLast(({ processId }) => processId === selector) ??
    processes.findLast(({ pid }) => String(pid) === selector) ??
    processes.findLast(({ tag }) => tag === selector);
  if (found !== undefined) return found;
  throw new ProcessGoneError(
    `no process has the pid, tag or process_id "${selector}" (holdfast ps --all lists them)`,
  );
}
