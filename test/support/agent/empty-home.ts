// An empty home for the commands of an agent. E2B's SDKs run commands in login shells, which read the start-up files
// of the user at home. Such a file may take locks, and a test that kills the shell then leaves the lock behind.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Returns how to remove it, for the end of `beforeAll`. */
export async function useEmptyHome(agentUrl: string, token?: string): Promise<() => void> {
  const home = mkdtempSync(join(tmpdir(), "holdfast-home-"));
  const body = JSON.stringify({ envVars: { HOME: home } });
  const { status } = await fetch(`${agentUrl}/init`, {
    method: "POST",
    body,
    ...(token === undefined ? {} : { headers: { "X-Access-Token": token } }),
  });
  if (status !== 204) throw new Error(`POST /init answered ${status}`);
  return () => rmSync(home, { recursive: true, force: true });
}
