// An agent for tests of files, in each mode of --file-access, with clients that act as a user.

import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll } from "vitest";
import { Filesystem } from "../../../src/gen/filesystem_pb.ts";
import { type RunningAgent, startAgent } from "./agent.ts";

export const FILE_ACCESS_MODES = ["agent", "user"] as const;

export interface FileAgent {
  readonly url: string;
  readonly pid: number;
  /** JSON, as E2B's clients send. */
  readonly client: Client<typeof Filesystem>;
  /** A client that names its user. */
  clientAs(user: string): Client<typeof Filesystem>;
  /** A new folder that every user may enter and write. */
  newFolder(): string;
}

/** One agent for all tests of a file or a describe block. */
export function useFileAgent(args: readonly string[]): FileAgent {
  let agent: RunningAgent | undefined;
  const parent = mkdtempSync(join(tmpdir(), "holdfast-files-"));
  chmodSync(parent, 0o755);
  let folders = 0;
  beforeAll(async () => {
    agent = await startAgent({ args });
  });
  afterAll(async () => {
    await agent?.stop();
    rmSync(parent, { recursive: true, force: true });
  });
  const running = (): RunningAgent => {
    if (agent === undefined) throw new Error("the agent is started before the first test");
    return agent;
  };
  return {
    get url() {
      return running().url;
    },
    get pid() {
      return running().pid;
    },
    get client() {
      return fileClient(running().url);
    },
    clientAs: (user) => fileClient(running().url, user),
    newFolder: () => {
      const folder = join(parent, String(folders++));
      mkdirSync(folder);
      chmodSync(folder, 0o777);
      return folder;
    },
  };
}

/** JSON over HTTP/1.1, as E2B's clients send. `user`: undefined names none. */
export function fileClient(baseUrl: string, user?: string): Client<typeof Filesystem> {
  const transport = createConnectTransport({
    baseUrl,
    httpVersion: "1.1",
    useBinaryFormat: false,
    interceptors: [
      (next) => (request) => {
        if (user !== undefined)
          request.header.set("Authorization", `Basic ${Buffer.from(`${user}:`).toString("base64")}`);
        return next(request);
      },
    ],
  });
  return createClient(Filesystem, transport);
}
