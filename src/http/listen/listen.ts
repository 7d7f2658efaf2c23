// Node's listen, as a promise.

import type { Server } from "node:net";

/** Binds in this very call where there is no name to look up. Rejects with Node's error where `where` cannot be had. */
export function listen(
  server: Server,
  where: { host: string; port: number } | { fd: number } | { path: string },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
