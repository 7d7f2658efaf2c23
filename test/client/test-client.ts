// A client for one test: it reconnects quickly, and is closed when the test is finished.

import { onTestFinished } from "vitest";
import { type Client, type ClientOptions, createClient } from "../../src/client/index.ts";

export type HttpVersion = "1.1" | "2";
export const httpVersions: readonly HttpVersion[] = ["1.1", "2"];

export function connectTo(baseUrl: string, options: ClientOptions = {}): Client {
  const client = createClient({
    ...(options.transport === undefined ? { baseUrl } : {}),
    ...options,
    reconnect: { initialDelayMs: 5, maxDelayMs: 50, keepaliveSeconds: 1, ...options.reconnect },
  });
  onTestFinished(() => client.close());
  return client;
}
/**
 * For bash: prints "ready", then waits for a SIGUSR1. It loops, because `wait` would continue to
 * sleep if the signal came before it.
 */
export const untilSignalled = `trap go=1 USR1; echo ready; until [ "$go" ]; do sleep 0.05; done`;
