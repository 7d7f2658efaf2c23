// Passes a saved value to the next image of an agent, through a real state file.

import { closeSync } from "node:fs";
import { readState, writeState } from "../../src/handover/state-file.ts";

export function throughStateFile<T>(value: T, withContent = true): T {
  const head = { format: 1, needs: [], version: "test", descriptors: [], previous: { path: "", argv: [] } };
  const { fd } = writeState({ ...head, value } as never, withContent);
  try {
    return (readState(fd, withContent) as unknown as { readonly value: T }).value;
  } finally {
    closeSync(fd);
  }
}
