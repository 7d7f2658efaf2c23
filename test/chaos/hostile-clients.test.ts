// See test/support/agent/hostile-clients.ts. CI also runs it for a minute (`npm run soak -- --hostile-seconds 60`).

import { test } from "vitest";
import { surviveHostileClients } from "../support/agent/hostile-clients.ts";
import { volume } from "../support/volume.ts";

const SECONDS = volume(6, 20);

test(
  "hostile clients leave memory bounded and the stream of another client flowing",
  {
    timeout: (SECONDS + 90) * 1000,
  },
  () => surviveHostileClients(SECONDS),
);
