// One agent for all tests of a file that is asked for things it must refuse. After each test the next command must run on
// it, and at the end nothing may be left: no process, no descriptor more than before, no line that says it is its fault.

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

/** To be called once, at the top of a file or of a `describe`. Usable in its hooks and tests. */
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
      // A broken HTTP/2 connection can stay open until the header timeout (10 s).
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

/** A command, started over a connection of its own, prints what it should and exits with 0. */
export async function expectCommandRuns(port: number): Promise<void> {
  const body = encodeBody("Connect JSON", "Start", [{ process: { cmd: "echo", args: ["next"] } }]);
  const answer = await callRpc(port, "Connect JSON", { rpc: "Start", body });
  expect({ ...answer, messages: answer.messages.slice(1).map(String) }).toEqual({
    code: "ok",
    message: "",
    messages: [
      '{"event":{"data":{"stdout":"bmV4dAo="}}}',
      '{"event":{"end":{"exited":true,"status":"exit status 0"}}}',
    ],
  });
}

/** Once the connections of what is over are closed: until three looks in a row see the same. */
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
