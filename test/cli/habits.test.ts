// The table in docs/reference/cli.md of commands of docker, kubectl, tmux and ssh: each command is
// run on a terminal as the table has it.
import { chmodSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { agentForFile } from "../client/file-agent.ts";
import { readPage, tablesIn } from "../project/docs/pages.ts";
import { cliPath } from "../support/agent/agent.ts";
import { type OnTerminal, onTerminal } from "../support/proc/on-terminal.ts";
import { createTempFolder } from "../support/temp-folder.ts";
import { finished, holdfast, leave } from "./holdfast.ts";

const agent = agentForFile();

const commands = tablesIn(readPage("docs/reference/cli.md"))
  .filter(({ head }) => head[2] === "here")
  .flatMap(({ rows }) => rows)
  .map(([where = "", there = "", here = ""]) => ({
    where,
    there,
    command: here.replace(/^`|`$/g, "").replaceAll("\\|", "|"),
  }));

/** A process that has written two lines and waits for input, in a test of its own. */
const web = (script = "echo first; echo second; cat") =>
  leave(agent.url, script, { tag: "web", stdin: true, bytes: expect.any(Number) });

const work = () =>
  leave(agent.url, "", {
    ...{ tag: "work", cmd: "sh", args: ["-c", "echo in work; exec cat"] },
    ...{ pty: { cols: 80, rows: 24 }, bytes: 9 },
  });

interface Expectation {
  readonly before?: () => Promise<unknown>;
  readonly shows: RegExp;
  /** Typed once `shows` has appeared. */
  readonly keys?: string;
  readonly code?: number;
}

const END_OF_FILE = "\u0004";
const LEAVE = "\u0010\u0011";

const expectations: Readonly<Record<string, Expectation>> = {
  "holdfast run -d --name web -- sleep 1000": { shows: /^\d+ [\da-f-]{36}\r\n/m },
  "holdfast run --rm -- echo hi": { shows: /hi\r\n/ },
  "holdfast exec -it -- bash -c 'tty && echo on a terminal'": { shows: /\/dev\/pts\/\d+\r\non a terminal/ },
  "holdfast exec -e A=1 -w /tmp -u nobody -- sh -c 'echo $A $PWD $(id -un)'": { shows: /1 \/tmp nobody/ },
  "holdfast ps -a": { before: () => leave(agent.url, "exit 3", { tag: "old" }), shows: /old .*exit 3/ },
  "holdfast ps -q --filter name=web": { before: () => web(), shows: /^\d+\r\n$/m },
  "holdfast ps --format '{{.Names}}'": { before: () => web(), shows: /^web\r\n/m },
  "holdfast logs --tail 1 --since 10m -t web": { before: () => web(), shows: /^20\S+Z second\r\n$/ },
  "holdfast logs -f web": { before: () => web("echo first; echo second"), shows: /first\r\nsecond\r\n/ },
  "holdfast attach web": { before: () => web(), shows: /attached to process/, keys: END_OF_FILE },
  "holdfast kill web": { before: () => web(), shows: /^$/ },
  "holdfast kill -s KILL web": { before: () => web(), shows: /^$/ },
  "holdfast wait web": { before: () => web("exit 3"), shows: /^3\r\n$/, code: 3 },
  "holdfast inspect web": { before: () => web(), shows: /"tag": "web"/ },
  "holdfast top -n 1": { before: () => web(), shows: /CPU%[\s\S]* web / },
  "holdfast context use prod": { shows: /^$/ },
  "holdfast version": { shows: /agent +0\.1\.0/ },
  "holdfast ps": { before: () => web(), shows: / web / },
  "echo typed | holdfast exec -i -- cat": { shows: /typed/ },
  "holdfast logs --tail=1 web": { before: () => web(), shows: /^second\r\n$/ },
  "holdfast top": { before: () => web(), shows: /running, sorted by cpu/, keys: "q" },
  "holdfast context ls": { shows: /prod +http:\/\/host:1/ },
  "holdfast shell work": { shows: /attached to process/, keys: LEAVE },
  "holdfast attach work": { before: work, shows: /attached to process/, keys: LEAVE },
  "holdfast logs work": { before: work, shows: /in work/ },
  "holdfast kill -HUP work": { before: work, shows: /^$/ },
  "holdfast --url HOST:PORT shell": { shows: /attached to process/, keys: LEAVE },
  "holdfast --url HOST:PORT run -- echo make test": { shows: /make test/ },
  "holdfast --url HOST:PORT run -t -- tty": { shows: /\/dev\/pts/ },
  "holdfast cp /etc/hostname :/tmp/holdfast-copy": { shows: /hostname .*100%/ },
  "holdfast cp :/etc/hostname /tmp/holdfast-copy": { shows: /hostname .*100%/ },
  "holdfast ls -l :/etc/hostname": { shows: /^-r\S+ .* \/etc\/hostname\r\n/ },
  "holdfast --url HOST:PORT cp /etc/hostname :/tmp/holdfast-copy": { shows: /hostname .*100%/ },
  "holdfast --url HOST:PORT cp -r /etc/default :/tmp/holdfast-copies": { shows: /default/ },
  "EDITOR='printf edited >' holdfast edit :/tmp/holdfast-edited": { shows: /^$|is unchanged/ },
  "holdfast --url HOST:PORT sync --delete /etc/default :/tmp/holdfast-synced": { shows: /copied \(/ },
  "holdfast --url HOST:PORT sync :/etc/default /tmp/holdfast-fetched": { shows: /copied \(/ },
  "holdfast cat :/etc/hostname": { shows: /\S+\r\n/ },
  "holdfast cp :/etc/hostname - | grep .": { shows: /\S+\r\n/ },
  "echo typed | holdfast --url HOST:PORT run -i -- sh -c 'cat > /tmp/holdfast-copy; cat /tmp/holdfast-copy; rm /tmp/holdfast-copy'":
    { shows: /typed/ },
};

test("each command of the table has an expectation, and each expectation is in the table", () => {
  expect(new Set(commands.map(({ command }) => command))).toEqual(new Set(Object.keys(expectations)));
});

let env: Record<string, string> = {};
let folder = "";
beforeEach(async () => {
  folder = createTempFolder();
  writeFileSync(join(folder, "holdfast"), `#!/bin/sh\nexec '${process.execPath}' '${cliPath}' "$@"\n`);
  chmodSync(join(folder, "holdfast"), 0o755);
  env = {
    XDG_CONFIG_HOME: join(folder, "config"),
    HOLDFAST_URL: agent.url,
    PATH: `${folder}${delimiter}${process.env["PATH"]}`,
  };
  await finished(holdfast("", ["context", "add", "prod", "--url", "host:1"], { env }));
});

test.each(commands)("$where: $there is $command", async ({ command }) => {
  const { before, shows, keys, code = 0 } = expectations[command] ?? { shows: /$^/ };
  await before?.();
  // What the command leaves is removed with the folder.
  const script = command
    .replaceAll("HOST:PORT", `127.0.0.1:${agent.port}`)
    .replaceAll("/tmp/holdfast-", `${folder}/holdfast-`);
  const terminal = onTerminal(["bash", "-c", script], { env, cols: 200 });
  if (keys !== undefined) await typed(terminal, shows, keys);
  expect(await terminal.exited(), terminal.shown()).toBe(code);
  expect(terminal.shown()).toMatch(shows);
});

async function typed(terminal: OnTerminal, shows: RegExp, keys: string): Promise<void> {
  await terminal.waitFor(shows);
  terminal.type(keys);
}
