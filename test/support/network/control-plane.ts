// A small stand-in for E2B's API, so that its SDK learns a token and a version: it creates, connects
// and kills one sandbox, whose agent is elsewhere.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export interface SandboxFacts {
  readonly envdVersion: string;
  readonly envdAccessToken: string;
}

/** Returns its URL, for `apiUrl`. Stopped when the test is finished. */
export async function startControlPlane(facts: SandboxFacts): Promise<string> {
  const sandbox = {
    sandboxID: "isandbox",
    templateID: "template",
    clientID: "client",
    alias: "base",
    domain: null,
    ...facts,
  };
  const server = createServer((request, response) => {
    request.resume();
    const isRemoval = request.method === "DELETE";
    response.writeHead(isRemoval ? 204 : 201, { "Content-Type": "application/json" });
    response.end(isRemoval ? undefined : JSON.stringify(sandbox));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
