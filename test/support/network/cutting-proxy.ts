// A TCP proxy that breaks connections after a random number of bytes, in a random way. It knows
// nothing of HTTP, so it cuts HTTP/1.1 and h2c alike, at any byte.
//
// What happens to the n-th connection follows from the seed and n alone. The seed is
// HOLDFAST_TEST_SEED, or a random one that is printed when the test fails. The proxy buffers at
// most one chunk per direction, and closes when its test is finished.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFailed, onTestFinished, TestRunner } from "vitest";
import { seededRandom } from "../seeded-random.ts";

/**
 * - rst: both sides receive a RST; bytes in flight may be lost.
 * - fin: both sides receive everything that the proxy let through, and a FIN.
 * - silent: both sides stay open and nothing passes any more, as on a dead network.
 */
export type CutKind = "rst" | "fin" | "silent";

export interface CuttingProxyOptions {
  /** The agent's port on 127.0.0.1. */
  readonly port: number;
  /**
   * A connection is cut after this many bytes, both directions together. Default: only by `cut`.
   */
  readonly afterBytes?: { readonly min: number; readonly max: number };
  /** The possible kinds of cuts. Default: all. */
  readonly kinds?: readonly CutKind[];
  /** After this many cuts by count everything passes. Default: no limit. */
  readonly maxCuts?: number;
  readonly seed?: number;
}

export interface CuttingProxy {
  readonly url: string;
  readonly port: number;
  readonly seed: number;
  /** Accepted so far. */
  readonly connections: number;
  /** Neither ended nor silent. */
  readonly open: number;
  /** So far, by count and by `cut`. */
  readonly cuts: Readonly<Record<CutKind, number>>;
  /** While true, new connections are reset at once, as on a closed port. */
  refusing: boolean;
  /** Cuts every open connection now. Returns how many. */
  cut(kind: CutKind): number;
  /** Resets the silent connections, so that the agent learns of their end. */
  resetSilent(): void;
  /**
   * Calls `listener` right after each cut, in the same turn: an endpoint that is cut silently
   * cannot notice it for a while.
   */
  onCut(listener: (kind: CutKind) => void): void;
  /**
   * Ends every connection, silent ones included. Can be called again; the end of the test calls it.
   */
  close(): Promise<void>;
}

/** More silent connections than this are reset, the oldest first: each holds two descriptors. */
const MAX_SILENT = 32;

export async function startCuttingProxy(options: CuttingProxyOptions): Promise<CuttingProxy> {
  const seed = options.seed ?? seedOfEnvironment() ?? Math.floor(Math.random() * 2 ** 32);
  const cuts = { rst: 0, fin: 0, silent: 0 };
  const open = new Set<Connection>();
  const silent = new Set<Connection>();
  const listeners: ((kind: CutKind) => void)[] = [];
  let connections = 0;
  let refusing = false;

  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (refusing) {
      client.resetAndDestroy();
      return;
    }
    const fate = fateOf(options, seed, connections++);
    const connection = new Connection(client, options.port, fate.afterBytes, () => {
      if (total(cuts) < (options.maxCuts ?? Number.POSITIVE_INFINITY)) cutOne(connection, fate.kind);
      else connection.spare();
    });
    open.add(connection);
    connection.onGone(() => {
      open.delete(connection);
      silent.delete(connection);
    });
  });

  function cutOne(connection: Connection, kind: CutKind): void {
    cuts[kind]++;
    open.delete(connection);
    connection.cut(kind);
    if (kind === "silent") keepSilent(connection);
    for (const listener of listeners) listener(kind);
  }

  function keepSilent(connection: Connection): void {
    silent.add(connection);
    const [oldest] = silent;
    if (silent.size > MAX_SILENT) oldest?.cut("rst");
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;

  const proxy: CuttingProxy = {
    url: `http://127.0.0.1:${port}`,
    port,
    seed,
    get connections() {
      return connections;
    },
    get open() {
      return open.size;
    },
    cuts,
    get refusing() {
      return refusing;
    },
    set refusing(value) {
      refusing = value;
    },
    cut: (kind) => {
      const victims = [...open];
      for (const connection of victims) cutOne(connection, kind);
      return victims.length;
    },
    resetSilent: () => {
      for (const connection of silent) connection.cut("rst");
    },
    onCut: (listener) => void listeners.push(listener),
    close: async () => {
      refusing = true;
      const closed = server.listening ? once(server, "close") : undefined;
      server.close();
      for (const connection of [...open, ...silent]) connection.destroy();
      await closed;
    },
  };
  if (TestRunner.getCurrentTest() !== undefined) {
    onTestFailed(() => console.error(`HOLDFAST_TEST_SEED=${seed} (${JSON.stringify(cuts)} cuts)`));
    onTestFinished(() => proxy.close());
  }
  return proxy;
}

/** One client's connection, and the one that the proxy makes to the agent for it. */
class Connection {
  readonly #client: Socket;
  readonly #agent: Socket;
  readonly #onSpent: () => void;
  #bytesLeft: number;
  #passing = true;

  /** Calls `onSpent` once `afterBytes` have passed, in the same turn as the last of them. */
  constructor(client: Socket, port: number, afterBytes: number, onSpent: () => void) {
    this.#client = client;
    this.#agent = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    this.#bytesLeft = afterBytes;
    this.#onSpent = onSpent;
    client.setNoDelay(true);
    this.#agent.setNoDelay(true);
    this.#forward(client, this.#agent);
    this.#forward(this.#agent, client);
  }

  /** Calls `listener` once both sides are closed. */
  onGone(listener: () => void): void {
    let left = 2;
    const closed = () => {
      if (--left === 0) listener();
    };
    this.#client.once("close", closed);
    this.#agent.once("close", closed);
  }

  /** Lets everything pass from now on. */
  spare(): void {
    this.#bytesLeft = Number.POSITIVE_INFINITY;
  }

  cut(kind: CutKind): void {
    this.#passing = false;
    for (const socket of [this.#client, this.#agent]) {
      socket.pause();
      if (kind === "rst") socket.resetAndDestroy();
      // Flushes, ends and closes.
      if (kind === "fin") socket.destroySoon();
    }
  }

  destroy(): void {
    this.#passing = false;
    this.#client.destroy();
    this.#agent.destroy();
  }

  #forward(from: Socket, to: Socket): void {
    from.on("data", (data: Buffer) => this.#pass(data, from, to));
    from.on("end", () => {
      if (this.#passing) to.end();
    });
    from.on("error", () => {
      // "close" follows.
    });
    // If one side breaks, the other is reset. After a silent cut it is not.
    from.on("close", (hadError) => {
      if (!this.#passing || !hadError) return;
      this.#passing = false;
      to.resetAndDestroy();
    });
  }

  #pass(data: Buffer, from: Socket, to: Socket): void {
    // It may have been read before the cut and arrive here after it.
    if (!this.#passing) return;
    while (data.length > 0) {
      const piece = data.subarray(0, this.#bytesLeft);
      data = data.subarray(piece.length);
      this.#bytesLeft -= piece.length;
      if (!to.write(piece)) this.#awaitDrain(from, to);
      if (this.#bytesLeft > 0) continue;
      this.#onSpent();
      if (!this.#passing) return;
    }
  }

  #awaitDrain(from: Socket, to: Socket): void {
    if (from.isPaused()) return;
    from.pause();
    to.once("drain", () => {
      if (this.#passing) from.resume();
    });
  }
}

function fateOf(
  { afterBytes, kinds = ["rst", "fin", "silent"] }: CuttingProxyOptions,
  seed: number,
  n: number,
) {
  const random = seededRandom(seed + n);
  const kind = kinds[Math.floor(random() * kinds.length)] ?? "rst";
  if (afterBytes === undefined) return { kind, afterBytes: Number.POSITIVE_INFINITY };
  const { min, max } = afterBytes;
  return { kind, afterBytes: min + Math.floor(random() * (max - min + 1)) };
}

function total(cuts: Readonly<Record<CutKind, number>>): number {
  return cuts.rst + cuts.fin + cuts.silent;
}

function seedOfEnvironment(): number | undefined {
  const value = process.env["HOLDFAST_TEST_SEED"];
  return value === undefined ? undefined : Number(value);
}
