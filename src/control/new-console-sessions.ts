// An agent without a console does not load the modules of its sessions.

import type { Logger } from "../logger.ts";
import type { ConsoleSessions, SavedCode, SavedSession } from "./console/index.ts";

/** `saved`: those of the image before. */
export async function newConsoleSessions(
  logger: Logger,
  saved?: readonly SavedSession[],
  savedCodes: readonly SavedCode[] = [],
): Promise<ConsoleSessions> {
  const { ConsoleSessions } = await import("./console/index.ts");
  const sessions = new ConsoleSessions(logger, saved);
  sessions.restoreCodes(savedCodes);
  return sessions;
}
