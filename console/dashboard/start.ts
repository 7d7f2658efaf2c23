// Starts a process and opens it. The start has an ID, so that a second click starts nothing twice.

import type { ProcessInfo, StartRequest } from "../../src/client/page-client.ts";
import { client, openPane } from "../session/state.ts";
import { paneSize } from "../ui/pane-size.ts";

/** The processes that this page started: it has seen all of their output. */
export const startedHere = new Set<string>();

export async function startAndOpen(request: StartRequest, beside = false): Promise<void> {
  const started = await client.value?.start(
    request.pty === undefined ? request : { ...request, pty: paneSize() },
  );
  if (started === undefined) return;
  startedHere.add(started.processId);
  // The pane attaches by itself.
  started.detach();
  openPane({ processId: started.processId, mode: "control" }, beside);
}

/** The same command once more. */
export function startAgain(info: ProcessInfo): Promise<void> {
  const { cmd, args, env, cwd, user, tag, isPty } = info;
  return startAndOpen({
    cmd,
    args,
    env,
    output: { detached: info.detached ?? "ring" },
    ...(isPty ? { pty: { cols: 80, rows: 24 } } : { stdin: true }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(user === undefined ? {} : { user }),
    ...(tag === undefined ? {} : { tag }),
  });
}
