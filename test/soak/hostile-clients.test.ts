// `npm run soak -- --hostile-seconds N`: see test/chaos/hostile-clients.test.ts, which is shorter.

import { test } from "vitest";
import { surviveHostileClients } from "../support/agent/hostile-clients.ts";

const SECONDS = Number(process.env["HOLDFAST_SOAK_HOSTILE_SECONDS"] ?? 0);

test.runIf(SECONDS > 0)(
  `${SECONDS} seconds of hostile clients leave memory bounded and the stream of another client flowing`,
  { timeout: (SECONDS + 60) * 1000 },
  () => surviveHostileClients(SECONDS),
);
