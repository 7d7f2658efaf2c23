// The test files that take longest, in this order: `npm test` begins with them, and `npm run check` leaves them out.
// `npx vitest run --reporter=json` shows the durations.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const shared = [
  "handover/refusals",
  "handover/carried",
  "handover/connections",
  "handover/failures",
  "handover/watches",
  "wire/files/watch",
  "chaos/dead-network",
  "wire/files/killed-in-the-copy",
  "wire/scopes",
  "handover/floods",
  "wire/files/large-lists",
  "wire/files/bombs",
  "chaos/abandoned-input",
  "chaos/unfinished-requests",
  "cli/session/ends",
  "control/console/console-files",
  "cli/files/sync",
  "cli/files/cp",
  "chaos/slow-transports",
  "wire/files/slow-clients",
  "cli/habits",
  "chaos/ghosts",
  "cli/session/leaving",
  "cli/session/detached",
  "chaos/detached-modes",
  "agent/at-rest",
  "cli/bundle",
  "wire/keep-alive-clients",
  "chaos/hostile-clients",
  "chaos/complete-output",
  "chaos/cutting-proxy",
  "chaos/detached",
  "client/files/transfers",
  "wire/files/upload",
  "chaos/memory-budget",
  "chaos/strangers",
  "multiplexer/restored",
  "wire/console",
  "client/silence",
  "process/io/drain",
  "wire/files/directories",
  "wire/files/protocols",
  "cli/session/reconnect",
  "cli/session/run",
  "cli/session/stdin",
  "wire/connect-es",
  "wire/files/storms",
  "chaos/bombs",
  "wire/files/system-calls",
  "wire/vanish",
  "cli/session/attach",
  "cli/completion/completion",
  "cli/json",
  "wire/delivery",
  "cli/commands/kill",
  "chaos/input",
  "cli/session/full-screen",
  "cli/doctor/doctor",
  "wire/list-changes",
  "agent/idle-pages",
  "cli/messages",
  "wire/flag-limits",
  "wire/web-pages",
  "handover/process-one",
  "handover/states",
  "chaos/many-processes",
  "chaos/orphans",
  "agent/identity",
  "wire/files/quota",
  "cli/contexts/contexts",
  "agent/priorities",
  "cli/session/run-flags",
  "agent/shutdown",
  "client/transports",
  "filesystem/link-races",
  "wire/proxies",
  "cli/commands/wait",
  "wire/bad-bodies",
  "wire/init",
  "wire/raw-http",
  "cli/usage-errors",
  "client/reconnect",
];
/** As the tests of these folders are: without others at the same time. */
const alone = ["pause/after-a-pause", "pause/pause", "project/docs/commands"];

const pathsOf = (names: readonly string[]) => names.map((name) => `test/${name}.test.ts`);

export const longTests = { shared: pathsOf(shared), alone: pathsOf(alone) } as const;

/** Of the working copy. */
export const longTestFiles = [...longTests.shared, ...longTests.alone].map((path) =>
  fileURLToPath(new URL(`../../${path}`, import.meta.url)),
);

for (const file of longTestFiles)
  if (!existsSync(file)) throw new Error(`${file} does not exist; correct test/project/long-tests.ts`);
