// One agent for all tests of a file that send it requests which it must refuse. After each test the
// next command must run. At the end nothing may be left: no process, no additional descriptor, no
// log line about an error of its own.

import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { callRpc, encodeBody } from "../clients/rpc-call.ts";
import { childrenOf, eventually, fdCount } from "../proc/proc.ts";
import { type CommandOptions, type RunningAgent, startAgent } from "./agent.ts";
import { killProcesses } from "./kill-processes.ts";

export interface SurvivingAgent {
  readonly pid: number;
  readonly port: number;
  readonly url: string;
}

/**
 * Call it once, at the top of a file or of a `describe`. The result is usable in hooks and tests.
 */
export function survivingAgent(options?: CommandOptions): SurvivingAgent {
  let agent: RunningAgent | undefined;
  let fdsBefore = 0;
  const running = () => {
    if (agent === undefined) throw new Error("the agent is not started yet");
    return agent;
  };
  beforeAll(async () => {
    agent = await startAgent(options);
    await expectCommandRuns(agent.port);
    fdsBefore = await idleFdCount(agent.pid);
  });
  afterEach(async () => expectCommandRuns(running().port));
  afterAll(async () => {
    const { port, pid, stderr, stop } = running();
    try {
      await killProcesses(port);
      // A broken HTTP/2 connection may be held for the header time limit, 10 s.
      await eventually(
        `children gone, descriptors as before (${fdsBefore})`,
        () => childrenOf(pid).length === 0 && fdCount(pid) <= fdsBefore,
        () => ({ children: childrenOf(pid), fds: fdCount(pid) }),
        15_000,
      );
      expect(stderr()).not.toMatch(/"level":"error"|a warning from Node/);
    } finally {
      await stop();
    }
  });
  return {
    get pid() {
      return running().pid;
    },
    get port() {
      return running().port;
    },
    get url() {
      return running().url;
    },
  };
}

/** A command over a new connection prints its output and exits with 0, whatever `/init` has set as the default directory. */
export async function expectCommandRuns(port: number): Promise<void> {
  const body = encodeBody("Connect JSON", "Start", [{ process: { cmd: "echo", args: ["next"], cwd: "/" } }]);
  const { code, message, messages } = await callRpc(port, "Connect JSON", { rpc: "Start", body });
  expect({ code, message, messages: messages.slice(1).map(String) }).toEqual({
    code: "ok",
    message: "",
    messages: [
      '{"event":{"data":{"stdout":"bmV4dAo="}}}',
      '{"event":{"end":{"exited":true,"status":"exit status 0"}}}',
    ],
  });
}

/** The count once finished connections are closed: when three looks in a row see the same. */
async function idleFdCount(pid: number): Promise<number> {
  let same = 0;
  let before = -1;
  await eventually(
    "the descriptors settle",
    () => {
      const now = fdCount(pid);
      same = now === before ? same + 1 : 0;
      before = now;
      return same >= 3;
    },
    () => before,
  );
  return before;
}
