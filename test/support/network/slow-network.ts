// Gives an agent's connections the buffers of a slow network: the kernel accepts about ten
// kilobytes that the client has not read, instead of the megabytes of loopback. A client that stops
// reading is noticed at once.

import { fileURLToPath } from "node:url";

const preload = fileURLToPath(new URL("../../fixtures/small-send-buffers.mjs", import.meta.url));

/** Pass it as `nodeArgs` of startAgent. */
export const slowNetworkArgs = ["--import", preload] as const;
