// Clients that leave and return at exact offsets, in each detached mode: the output of a resume,
// the place of a gap, the gaps of an observer, and refusals.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import {
  OutputPolicy_Detached as Detached,
  ConnectRequest_Lag as Lag,
  type OutputPolicySchema,
  Process,
} from "../../src/gen/process_pb.ts";
import { startAgent } from "../support/agent/agent.ts";
import { placedEvents, readPlaced } from "../support/clients/placed-events.ts";
import { untilProcess } from "../support/clients/process-info.ts";
import { startStream } from "../support/clients/stream-client.ts";
import { type TransportKind, transportKinds } from "../support/clients/transports.ts";
import { slowNetworkArgs } from "../support/network/slow-network.ts";
import { createFedShell, FED_SHELL_EXIT_CODE, type FedShell } from "../support/proc/fed-shell.ts";
import { LINE_BYTES, NumbersCheck, numbersBytes, numbersCommand } from "../support/proc/numbers.ts";

// Generous: the machine can be busy.
vi.setConfig({ testTimeout: 120_000 });

/** One read of the agent, which stays one chunk. */
const READ_BYTES = 64 * 1024;

const transports = transportKinds.filter(({ name }) => /^Connect over \S+, (binary|JSON)$/.test(name));

function clientOf({ open }: TransportKind, url: string): Client<typeof Process> {
  const { transport, close } = open(url);
  onTestFinished(close);
  return createClient(Process, transport);
}

function select(processId: string) {
  return { selector: { case: "processId" as const, value: processId } };
}

describe.each(transports)("$name", (kind) => {
  test("detached in mode block nothing is read; a client without an offset receives the undelivered output, one with an offset continues there", async () => {
    const agent = await startAgent();
    const client = clientOf(kind, agent.url);
    const shell = createFedShell();
    const first = numbersBytes(2000 * LINE_BYTES).toString("latin1");
    const second = "while nobody looked\n";
    shell.tell(numbersCommand(2000));
    const request = startOf(shell, { detached: Detached.BLOCK });
    const { processId, output } = await readPlaced((options) => client.start(request, options), first.length);
    expect(output).toEqual({ stdout: first });
    await untilProcess(agent.url, processId, "detached", ({ subscribers }) => subscribers === 0);

    shell.tell(`printf '${second.trim()}\\n'`);
    await shell.isDone();
    const detached = await untilProcess(agent.url, processId, "listed", () => true);
    expect(detached).toMatchObject({ offset: BigInt(first.length), reading: false, subscribers: 0 });

    const process = select(processId);
    const missed = await readPlaced(
      (options) => client.connect({ process, offsets: true }, options),
      second.length,
    );
    expect(missed).toMatchObject({ offset: first.length, gaps: [], output: { stdout: second } });
    const whole = first + second;
    for (const from of [0, 1, first.length / 2 + 5, first.length, whole.length - 1]) {
      const resumed = await readPlaced(
        (options) => client.connect({ process, fromOffset: BigInt(from) }, options),
        whole.length - from,
      );
      expect(resumed).toMatchObject({ offset: from, gaps: [], output: { stdout: whole.slice(from) } });
    }
  });

  test("in mode block, a client that leaves a flood twenty times and resumes by from_offset receives every byte", async () => {
    // Bytes that the kernel has accepted count as delivered. Over loopback that can be megabytes,
    // which the replay must hold.
    const agent = await startAgent({ nodeArgs: slowNetworkArgs });
    const client = clientOf(kind, agent.url);
    const flood = {
      process: { cmd: "bash", args: ["-c", `exec ${numbersCommand()}`] },
      stdin: false,
      offsets: true,
      output: { detached: Detached.BLOCK, replayBytes: 8n * 1024n * 1024n },
    };
    const numbers = new NumbersCheck(0);
    const first = await readPlaced((options) => client.start(flood, options), 1);
    numbers.push(Buffer.from(first.output.stdout ?? "", "latin1"));
    for (let time = 0; time < 20; time++) {
      const request = { process: select(first.processId), fromOffset: BigInt(numbers.end) };
      const next = await readPlaced((options) => client.connect(request, options), 10_000 * time + 1);
      expect(next).toMatchObject({ offset: numbers.end, gaps: [] });
      numbers.push(Buffer.from(next.output.stdout ?? "", "latin1"));
    }
  });

  test("from every byte of a short output a resume receives exactly the rest, of the live process and the ended one", async () => {
    const agent = await startAgent();
    const client = clientOf(kind, agent.url);
    const shell = createFedShell();
    const pieces = ["first\n", "E1", "E2\n", "second", "third and longer\n", "E3"];
    const places = pieces.flatMap((piece) => {
      const name = piece.startsWith("E") ? ("stderr" as const) : ("stdout" as const);
      return [...piece].map((byte) => ({ name, byte }));
    });
    const { processId } = await readPlaced((options) => client.start(startOf(shell), options), 0);
    let printed = 0;
    for (const piece of pieces) {
      shell.tell(`printf '${piece.replace("\n", "\\n")}' >&${piece.startsWith("E") ? 2 : 1}`);
      printed += piece.length;
      // Read before the next one is written, so that the order is known.
      await readPlaced(
        (options) => client.connect({ process: select(processId), fromOffset: 0n }, options),
        printed,
      );
    }

    const restFrom = async (from: number, bytes?: number) => {
      const request = { process: select(processId), fromOffset: BigInt(from) };
      const { offset, gaps, output } = await readPlaced((options) => client.connect(request, options), bytes);
      return { offset, gaps, output };
    };
    const expected = (from: number) => {
      const output: Record<string, string> = {};
      for (const { name, byte } of places.slice(from)) output[name] = (output[name] ?? "") + byte;
      return { offset: from, gaps: [], output };
    };
    for (let from = 0; from <= printed; from++) {
      expect(await restFrom(from, printed - from)).toEqual(expected(from));
    }
    shell.end();
    await untilProcess(agent.url, processId, "ended", ({ end }) => end !== undefined);
    for (let from = 0; from <= printed; from++) expect(await restFrom(from)).toEqual(expected(from));
  });

  test("output that a ring has evicted is one exact gap, and the newest replay_bytes follow it", async () => {
    const agent = await startAgent();
    const client = clientOf(kind, agent.url);
    const shell = createFedShell();
    const replayBytes = 256 * 1024;
    const had = 1000 * LINE_BYTES;
    shell.tell(numbersCommand(1000));
    const request = startOf(shell, { detached: Detached.RING, replayBytes: BigInt(replayBytes) });
    const { processId } = await readPlaced((options) => client.start(request, options), had);
    await untilProcess(agent.url, processId, "detached", ({ subscribers }) => subscribers === 0);

    const lines = 100_000;
    const total = had + lines * LINE_BYTES;
    shell.tell(numbersCommand(lines, 1000));
    // The agent reads without a client, or the shell would never be done.
    await shell.isDone();
    shell.end();
    await untilProcess(agent.url, processId, "ended", ({ end }) => end !== undefined);
    for (const from of [0, had - 5, had, had + 5]) {
      const request = { process: select(processId), fromOffset: BigInt(from) };
      const { offset, gaps, output, end } = await readPlaced((options) => client.connect(request, options));
      const to = total - (output.stdout?.length ?? 0);
      expect({ offset, gaps, end }).toEqual({
        offset: from,
        gaps: [{ from, to }],
        end: expect.objectContaining({ exitCode: FED_SHELL_EXIT_CODE, offset: BigInt(total) }),
      });
      expect(total - to).toBeGreaterThanOrEqual(replayBytes);
      expect(total - to).toBeLessThan(replayBytes + READ_BYTES);
      const numbers = new NumbersCheck(to);
      numbers.push(Buffer.from(output.stdout ?? "", "latin1"));
    }
  });

  test("an observer that falls behind slows no client, and receives each of its gaps, to the byte", async () => {
    const agent = await startAgent({ nodeArgs: slowNetworkArgs });
    const client = clientOf(kind, agent.url);
    const shell = createFedShell();
    const replayBytes = BigInt(64 * 1024);
    const all = new NumbersCheck(0);
    const live = startStream(agent.port, startOf(shell, { replayBytes }), {
      onData: (data) => all.push(data),
    });
    const pid = await live.started();
    const observing = new AbortController();
    const observer = placedEvents(
      client.connect(
        { process: { selector: { case: "pid", value: pid } }, lag: Lag.SKIP, offsets: true },
        { signal: observing.signal },
      ),
    );
    expect((await observer.next()).value).toMatchObject({ kind: "start", offset: 0 });

    const roundLines = 120_000;
    let seen = new NumbersCheck(0);
    for (let round = 1; round <= 4; round++) {
      // The observer reads nothing while the other client receives everything.
      shell.tell(numbersCommand(roundLines, (round - 1) * roundLines));
      await live.received(round * roundLines * LINE_BYTES);
      for (;;) {
        const { value: event } = await observer.next();
        if (event?.kind === "gap") {
          // placedEvents has checked that nothing is missing before the gap.
          expect(event.to).toBeGreaterThan(event.from);
          seen = new NumbersCheck(event.to);
          break;
        }
        if (event?.kind !== "data") throw new Error(`${event?.kind} before a gap`);
        seen.push(event.data);
      }
    }
    shell.end();
    for await (const event of observer) {
      if (event.kind === "gap") seen = new NumbersCheck(event.to);
      if (event.kind === "data") seen.push(event.data);
      if (event.kind === "end") expect(Number(event.end.offset)).toBe(seen.end);
    }
    expect(await live.ended()).toMatchObject({ events: ["start", "data", "end"] });
    expect(all.end).toBe(4 * roundLines * LINE_BYTES);
    expect(seen.end).toBe(all.end);
  });

  test("a from_offset beyond the head is refused with both numbers, of a live process and an ended one", async () => {
    const agent = await startAgent();
    const client = clientOf(kind, agent.url);
    const shell = createFedShell();
    shell.tell("printf seven77");
    const { processId } = await readPlaced((options) => client.start(startOf(shell), options), 7);
    const refusal = async (fromOffset: bigint) => {
      const stream = (options: object) => client.connect({ process: select(processId), fromOffset }, options);
      const error = await readPlaced(stream).catch((error: unknown) => error);
      return error instanceof ConnectError ? { code: error.code, message: error.rawMessage } : error;
    };
    const refused = (fromOffset: bigint) => ({
      code: Code.OutOfRange,
      message: `from_offset ${fromOffset} is beyond the output's end so far, 7`,
    });
    for (const fromOffset of [8n, 1_000_000n, 2n ** 53n - 1n]) {
      expect(await refusal(fromOffset)).toEqual(refused(fromOffset));
    }
    shell.end();
    await untilProcess(agent.url, processId, "ended", ({ end }) => end !== undefined);
    expect(await refusal(8n)).toEqual(refused(8n));
  });
});

function startOf(shell: FedShell, output: MessageInitShape<typeof OutputPolicySchema> = {}) {
  return { process: shell.process, stdin: false, offsets: true, output };
}
