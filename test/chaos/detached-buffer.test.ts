// Mode buffer: without a client a program continues until the limit of undelivered bytes is held, and not
// much further; the client that returns misses none of them.

import { createClient } from "@connectrpc/connect";
import { expect, test, vi } from "vitest";
import { OutputPolicy_Detached as Detached, Process } from "../../src/gen/process_pb.ts";
import { startAgent } from "../support/agent/agent.ts";
import { placedEvents, readPlaced } from "../support/clients/placed-events.ts";
import { untilProcess } from "../support/clients/process-info.ts";
import { transportKinds } from "../support/clients/transports.ts";
import { slowNetworkArgs } from "../support/network/slow-network.ts";
import { createFifo } from "../support/proc/fifo.ts";
import { NumbersCheck, numbersBytes, numbersCommand } from "../support/proc/numbers.ts";
import { bytesWritten, untilBlockedInWrite } from "../support/proc/proc-activity.ts";

// Generous: the machine can be busy.
vi.setConfig({ testTimeout: 120_000 });

const MIB = 1024 * 1024;
const BUFFER_BYTES = 4 * MIB;
/** What one read may add after the last byte that has room. */
const READ_BYTES = 64 * 1024;
/** The bytes that the kernel holds of an unread pipe. */
const PIPE_BYTES = 64 * 1024;

const output = { detached: Detached.BUFFER, detachedBufferBytes: BigInt(BUFFER_BYTES) };
const READY = "ready";

const transports = transportKinds.filter(({ name }) => /^Connect over \S+, (binary|JSON)$/.test(name));

test.each(transports)(
  "a program that prints 3 MiB while its client is away ends by itself and is replayed whole, $name",
  async ({ open }) => {
    const agent = await startAgent();
    const { transport, close } = open(agent.url);
    const client = createClient(Process, transport);
    const fifo = createFifo();
    const lines = Math.ceil((3 * MIB) / 17);
    const script = `printf ${READY}; ${fifo.wait}; ${numbersCommand(lines)}; echo over >&2; exit 4`;
    const request = { process: { cmd: "bash", args: ["-c", script] }, stdin: false, offsets: true, output };
    const first = await readPlaced((options) => client.start(request, options), READY.length);
    await untilProcess(agent.url, first.processId, "detached", ({ subscribers }) => subscribers === 0);
    fifo.open();
    const ended = await untilProcess(agent.url, first.processId, "ended", ({ end }) => end !== undefined);
    expect(ended).toMatchObject({ subscribers: 0, end: { exitCode: 4 } });

    const process = { selector: { case: "processId" as const, value: first.processId } };
    const fromOffset = BigInt(READY.length);
    const back = await readPlaced((options) => client.connect({ process, fromOffset }, options));
    close();
    expect(back).toMatchObject({ offset: READY.length, gaps: [], end: { exited: true, exitCode: 4 } });
    expect(back.output.stderr).toBe("over\n");
    // Not toBe: it would print three megabytes.
    expect(back.output.stdout === numbersBytes(lines * 17).toString("latin1")).toBe(true);
  },
);

test.each(transports)(
  "a program that prints without end blocks just past 4 MiB when its client leaves; nothing is missing then, $name",
  async ({ open }) => {
    const agent = await startAgent({ nodeArgs: slowNetworkArgs });
    const { transport, close } = open(agent.url);
    const client = createClient(Process, transport);
    const process = { cmd: "bash", args: ["-c", `exec ${numbersCommand()}`] };
    const request = { process, stdin: false, offsets: true, output };
    const first = await readPlaced((options) => client.start(request, options), MIB);
    const left = await untilProcess(
      agent.url,
      first.processId,
      "full",
      ({ subscribers, reading }) => subscribers === 0 && !reading,
    );
    await untilBlockedInWrite(first.pid);
    const written = bytesWritten(first.pid);
    expect(written - Number(left.offset)).toBeLessThanOrEqual(PIPE_BYTES);

    const leaving = new AbortController();
    const back = placedEvents(
      client.connect(
        { process: { selector: { case: "processId", value: first.processId } }, offsets: true },
        { signal: leaving.signal },
      ),
    );
    const { value: start } = await back.next();
    if (start?.kind !== "start") throw new Error(`no start event, but ${start?.kind}`);
    // It begins at the first undelivered byte: what lies before was delivered to the first client, or in flight.
    expect(start.offset).toBeGreaterThanOrEqual(first.output.stdout?.length ?? 0);
    const held = Number(left.offset) - start.offset;
    expect(held).toBeGreaterThanOrEqual(BUFFER_BYTES);
    expect(held).toBeLessThanOrEqual(BUFFER_BYTES + READ_BYTES);

    const numbers = new NumbersCheck(start.offset);
    for await (const event of back) {
      if (event.kind !== "data") throw new Error(`${event.kind} in output that never ends`);
      numbers.push(event.data);
      if (numbers.end > written + 4 * MIB) break;
    }
    leaving.abort();
    close();
  },
);
