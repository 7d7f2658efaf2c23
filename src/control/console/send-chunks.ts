// Sends the content of a file at the pace of its client.

import type { NodeResponse } from "../../http/index.ts";
import type { Logger } from "../../logger.ts";
import { createSender } from "../files/index.ts";

export async function sendChunks(
  response: NodeResponse,
  chunks: AsyncIterable<Uint8Array>,
  idleMs: number,
  logger: Logger,
): Promise<void> {
  const sender = createSender(response, idleMs, logger);
  try {
    for await (const chunk of chunks) await sender.send(chunk);
    sender.end();
  } finally {
    sender.stop();
  }
}
