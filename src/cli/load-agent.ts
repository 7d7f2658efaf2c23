// Loads the agent. Node opens all files of one import at once, 70 for the agent's libraries, which is more than an agent
// with few descriptors has (`ulimit -n 64`): so they come first, one after the other, the inner before the outer.

import type { runAgent } from "./agent.ts";

/** Fails as an import fails: for want of descriptors, with EMFILE. */
export async function loadAgent(): Promise<{ runAgent: typeof runAgent }> {
  await import("@bufbuild/protobuf/wire");
  await import("@bufbuild/protobuf/reflect");
  await import("@bufbuild/protobuf");
  await import("@connectrpc/connect/protocol");
  await import("@connectrpc/connect");
  await import("@connectrpc/connect-node");
  return import("./agent.ts");
}
