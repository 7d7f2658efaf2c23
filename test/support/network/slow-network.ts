// Makes an agent's connections like those over a slow network: the kernel takes some ten kilobytes that the client has
// not read, and not the megabytes it takes over loopback. So a client that stops reading is felt at once.

import { fileURLToPath } from "node:url";

const preload = fileURLToPath(new URL("../../fixtures/small-send-buffers.mjs", import.meta.url));

/** For `nodeArgs` of startAgent. */
export const slowNetworkArgs = ["--import", preload] as const;
