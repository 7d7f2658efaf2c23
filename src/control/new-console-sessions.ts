// An agent without a console does not load the modules of its sessions.

import type { Logger } from "../logger.ts";
import type { ConsoleSessions } from "./console/index.ts";

export async function newConsoleSessions(logger: Logger): Promise<ConsoleSessions> {
  const { ConsoleSessions } = await import("./console/index.ts");
  return new ConsoleSessions(logger);
}
