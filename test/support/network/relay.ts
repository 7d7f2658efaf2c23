// A proxy that sees, changes and drops what passes: for answers that are lost and bytes that change, without a clock.

import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** Returns what is passed on; undefined drops it. `cut` resets both connections. */
export type Passing = (data: Buffer, cut: () => void) => Buffer | undefined;

export interface RelayOptions {
  readonly fromAgent?: Passing;
  readonly fromClient?: Passing;
}

/** Resolves with its URL. It ends with the test. */
export async function startRelay(
  agentPort: number,
  { fromAgent = (data) => data, fromClient = (data) => data }: RelayOptions,
): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const agent = connect(agentPort, "127.0.0.1");
    const cut = () => {
      client.resetAndDestroy();
      agent.resetAndDestroy();
    };
    const pass = (from: Socket, to: Socket, passing: Passing) => {
      sockets.add(from);
      from.on("data", (data) => {
        const passed = passing(data, cut);
        if (passed !== undefined && !to.destroyed) to.write(passed);
      });
      from.on("end", () => to.end());
      from.on("error", () => to.destroy());
      from.on("close", () => sockets.delete(from));
    };
    pass(client, agent, fromClient);
    pass(agent, client, fromAgent);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
