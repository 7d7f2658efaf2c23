// Connections that break at hundreds of random bytes, over every kind of output, HTTP version and detached
// mode: clients receive what the same commands print without an agent. A failure prints its seed:
// HOLDFAST_TEST_SEED=… repeats its breaks and commands, but not how the kernel splits the output.

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { OutputPolicy_Detached as Detached } from "../../src/gen/process_pb.ts";
import { type RunningAgent, startAgent } from "../support/agent/agent.ts";
import { untilProcess } from "../support/clients/process-info.ts";
import { ResumingReader } from "../support/clients/resuming-reader.ts";
import { transportKinds } from "../support/clients/transports.ts";
import { type CuttingProxy, startCuttingProxy } from "../support/network/cutting-proxy.ts";
import { slowNetworkArgs } from "../support/network/slow-network.ts";
import { FedNumbers } from "../support/proc/fed-numbers.ts";
import { FED_SHELL_EXIT_CODE } from "../support/proc/fed-shell.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { volume } from "../support/volume.ts";

// Generous: the machine can be busy.
vi.setConfig({ testTimeout: volume(120_000, 1_800_000) });

/** Twelve times: 336, or 1,008 in CI. */
const CUTS = volume(28, 84);
/** The most bytes of a connection until it breaks: its headers, or many frames. */
const MAX_BYTES = 120_000;
/**
 * How far the process may be ahead of its reader. More than the window (256 KiB) and a slow network hold
 * together, so that processes are slowed; less than replay_bytes, so that no mode may lose anything.
 */
const AHEAD_BYTES = 768 * 1024;
const REPLAY_BYTES = 4 * 1024 * 1024;

const transports = {
  "HTTP/1.1": transportKinds.filter(({ name }) => /^Connect over HTTP\/1.1, (binary|JSON)$/.test(name)),
  h2c: transportKinds.filter(({ name }) => /^Connect over h2c, JSON$|^gRPC over h2c, binary$/.test(name)),
};

// A ghost holds up the next connection for no longer than this.
const args = ["--stall-timeout", "100ms"];
const agents: Record<"loopback" | "slow", RunningAgent | undefined> = {
  loopback: undefined,
  slow: undefined,
};
beforeAll(async () => {
  agents.loopback = await startAgent({ args });
  agents.slow = await startAgent({ args, nodeArgs: slowNetworkArgs });
});
afterAll(async () => {
  for (const agent of Object.values(agents)) await agent?.stop();
});

describe.each([
  { stdio: "pipes", http: "HTTP/1.1", network: "slow" },
  { stdio: "pipes", http: "h2c", network: "loopback" },
  { stdio: "pty", http: "HTTP/1.1", network: "loopback" },
  { stdio: "pty", http: "h2c", network: "slow" },
] as const)("$stdio over $http, $network network", ({ stdio, http, network }) => {
  test.each([
    { mode: "block", detached: Detached.BLOCK },
    { mode: "buffer", detached: Detached.BUFFER },
    { mode: "ring", detached: Detached.RING },
  ])(`detached ${"$mode"}: ${CUTS} cuts neither lose nor double a byte`, async ({ detached }) => {
    const agent = agents[network];
    if (agent === undefined) throw new Error("no agent");
    const proxy = await startCuttingProxy({
      port: agent.port,
      afterBytes: { min: 1, max: MAX_BYTES },
      maxCuts: CUTS,
    });
    // Three generators, each used in a fixed order, so that no result depends on the speed of the others.
    const randomPieces = seededRandom(proxy.seed);
    const randomLosses = seededRandom(proxy.seed + 1);
    const randomAbsences = seededRandom(proxy.seed + 2);
    const numbers = new FedNumbers(stdio, randomPieces);
    numbers.feedAhead(AHEAD_BYTES);
    const reader = new ResumingReader({
      proxy,
      transports: transports[http],
      start: {
        process: numbers.shell.process,
        stdin: false,
        output: { detached, replayBytes: BigInt(REPLAY_BYTES) },
        ...(stdio === "pty" ? { pty: { size: { cols: 80, rows: 24 } } } : {}),
      },
      random: randomLosses,
      onData: (data, name) => {
        numbers.receive(name, data);
        if (cutsOf(proxy) < CUTS) numbers.feedAhead(AHEAD_BYTES);
        else numbers.shell.end();
      },
      whileAway: async (processId) => {
        // Usually the reader returns before the agent detects anything. Else everything has happened that can happen
        // without it: with its ghosts still attached, or without any, so that the detached mode decides.
        const chance = randomAbsences();
        if (processId === undefined || chance < 0.7) return;
        if (chance > 0.8) proxy.resetSilent();
        await untilReadNoFurther(agent, processId, numbers, chance > 0.8);
      },
    });
    const end = await reader.read();
    expect(end).toMatchObject({ exited: true, exitCode: FED_SHELL_EXIT_CODE });
    const { stdout, stderr } = await numbers.shell.runDirectly();
    expect(numbers.received()).toEqual(stdio === "pty" ? { pty: stdout } : { stdout, stderr });
    expect(cutsOf(proxy)).toBe(CUTS);
  });
});

function cutsOf({ cuts }: CuttingProxy): number {
  return cuts.rst + cuts.fin + cuts.silent;
}

/** Resolves when the agent has read everything, or reads no more until a client attaches. `detached`: and no client is attached. */
async function untilReadNoFurther(
  agent: RunningAgent,
  processId: string,
  { fedBytes }: FedNumbers,
  detached: boolean,
): Promise<void> {
  await untilProcess(agent.url, processId, "nothing more is read", ({ reading, subscribers, offset }) => {
    return (!detached || subscribers === 0) && (!reading || Number(offset) === fedBytes);
  });
}
