// docs/guides/recorded-session.md: the screens of a session in which the network is away while a person edits,
// and which continues in another window. Recorded in tmux; the page must be what the test sees.
// `UPDATE_DOCS=1` writes it. HOLDFAST_AWAY_SECONDS=30 keeps the network away for so long (CI does).

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { agentForFile } from "../../client/file-agent.ts";
import { startCuttingProxy } from "../../support/network/cutting-proxy.ts";
import { openTmux } from "../../support/proc/tmux.ts";
import { needPrograms } from "../../support/programs.ts";
import { untilFound } from "../../support/until-found.ts";
import { untilProcess } from "../holdfast.ts";

const agent = agentForFile();
const page = join(import.meta.dirname, "../../../docs/guides/recorded-session.md");

const AWAY_SECONDS = Number(process.env["HOLDFAST_AWAY_SECONDS"] ?? 2);
const TEST_MS = 60_000 + AWAY_SECONDS * 1000;

test("a session with vim survives the network and continues in another window", {
  timeout: TEST_MS,
}, async () => {
  needPrograms("vim");
  const proxy = await startCuttingProxy({ port: agent.port });
  const openWindow = openTmux(proxy.url);
  const steps: string[] = [];
  const record = (title: string, screen: string): void => {
    steps.push(`${title}\n\n\`\`\`text\n${constant(screen)}\n\`\`\`\n`);
  };

  const first = await openWindow({ cols: 90, rows: 12 });
  await first.type("holdfast run --pty --tag editor vim -u NONE -N -n notes.txt");
  await first.press("Enter");
  await first.until(/"notes.txt" \[New\]/);
  await first.type("iThe first line.");
  record(
    "`holdfast run --pty --tag editor vim notes.txt`, and a first line:",
    await first.until(/first line\./),
  );

  proxy.refusing = true;
  expect(proxy.cut("rst")).toBeGreaterThan(0);
  const away = await untilFound(
    async () => {
      const screen = await first.screen();
      const [, seconds] = /no connection for (\d+) s/.exec(screen) ?? [];
      return Number(seconds) >= AWAY_SECONDS ? screen : undefined;
    },
    () => first.screen(),
    TEST_MS,
  );
  record("The network is gone. A line shows the seconds since then and the keys:", away);

  await first.type(" Typed without a network.");
  proxy.refusing = false;
  const back = await untilFound(
    async () => {
      const screen = await first.screen();
      return /^The first line\. Typed without a network\.\n(~\n){10}-- INSERT --$/.test(screen)
        ? screen
        : undefined;
    },
    () => first.screen(),
    TEST_MS,
  );
  record(
    "The network is back. The input from meanwhile has arrived once, and vim has drawn its screen:",
    back,
  );

  await first.press("C-p", "C-q");
  record(
    "Ctrl-P Ctrl-Q: the terminal is as it was before, and vim continues to run:",
    await first.until(/holdfast: detached; [\s\S]*\$$/),
  );
  expect(await first.modes()).toMatchObject({ alternate: false, keypad: false, region: "0-11" });
  await untilProcess(agent.url, "editor", { subscribers: 0 });

  const second = await openWindow({ cols: 60, rows: 8 });
  await second.type("holdfast attach editor");
  await second.press("Enter");
  await second.until(/^The first line\. Typed without a network\.\n(~\n){5,6}-- INSERT --$/);
  await second.press("Enter");
  await second.type("From another window.");
  record(
    "`holdfast attach editor` in another window, of another size:",
    await second.until(/^The first line\. Typed without a network\.\nFrom another window\.\n/),
  );

  await second.press("Escape");
  await second.type(":q!");
  await second.press("Enter");
  record("`:q!`:", await second.until(/^\$ holdfast attach editor\n[\s\S]*\$$/));
  expect(await second.modes()).toMatchObject({ alternate: false, keypad: false, region: "0-7" });

  const text = [HEAD, ...steps].join("\n");
  if (process.env["UPDATE_DOCS"] === "1") writeFileSync(page, text);
  expect(readFileSync(page, "utf8")).toBe(text);
});

/** The same in every run. */
function constant(screen: string): string {
  return screen
    .replace(/is lost \([^)]*\)/g, "is lost (connection reset)")
    .replace(/process \d+/g, "process 4711")
    .replace(/attach \d+ --from \d+/g, "attach 4711 --from 812")
    .replace(/no connection for \d+ s; [^;]*;/g, "no connection for 30 s; next try in 2 s;")
    .trimEnd();
}

const HEAD = `# A recorded session

A person edits a file with vim, the network breaks, and the session continues, later in another window. A test recorded
the screens in tmux (\`test/cli/session/recorded-session.test.ts\`); in CI the network is away for 30 seconds. Process ids,
offsets and seconds are replaced by constants.
`;
