// The commands and programs in the docs do what the page shows. A block of `sh` is run, a page's blocks one after the other in
// one folder, with an agent at HOLDFAST_URL and `holdfast` in PATH; the `text` block after it is what it prints.

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { cleanEnvironment, cliPath, startAgent } from "../../support/agent/agent.ts";
import { useEmptyHome } from "../../support/agent/empty-home.ts";
import { type Block, type Page, readPages, root } from "./pages.ts";

const isUpdate = process.env["UPDATE_DOCS"] !== undefined;
const pages = readPages();
const run = promisify(execFile);

const isRun = ({ language, marker }: Block): boolean =>
  language === "sh" && marker?.startsWith("not run: ") !== true;
const shownFile = ({ marker }: Block): string | undefined =>
  marker !== undefined && /^(examples|packaging|proto)\/\S+$/.test(marker) ? marker : undefined;

test("a marker above a block is a file of the repository or a reason", () => {
  const odd = pages.flatMap(({ path, blocks }) =>
    blocks
      .filter((block) => block.marker !== undefined && shownFile(block) === undefined)
      .filter(({ marker = "" }) => !/^(not run: .+|generated.*|end)$/.test(marker))
      .map(({ line, marker }) => `${path}:${line} ${marker}`),
  );
  expect(odd).toEqual([]);
});

const withCommands = pages.filter(({ blocks }) => blocks.some(isRun));

test.each(withCommands)(
  "the commands in $path print the output that the page shows",
  { timeout: 60_000 },
  async (page) => {
    const { url } = await startAgent();
    const folder = mkdtempSync(join(tmpdir(), "holdfast-docs-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(join(folder, "holdfast"), `#!/bin/sh\nexec '${process.execPath}' '${cliPath}' "$@"\n`, {
      mode: 0o755,
    });
    const env = cleanEnvironment({ HOLDFAST_URL: url, PATH: `${folder}:${process.env["PATH"]}` });
    for (const { content, output, line } of page.blocks.filter(isRun)) {
      // A page may show a failure; a block without output must not fail.
      const script = content.replaceAll("http://127.0.0.1:49983", url);
      const printed = await run(
        "bash",
        ["-c", `${output === undefined ? "set -e; " : ""}exec 2>&1; ${script}`],
        { env, cwd: folder },
      ).catch((error) => {
        if (output === undefined) throw new Error(`${page.path}:${line} fails: ${error.stdout}`);
        return error as { stdout: string };
      });
      if (output !== undefined)
        expect(withoutChance(printed.stdout), `${page.path}:${line}`).toBe(withoutChance(output));
    }
  },
);

const files = pages.flatMap((page) =>
  page.blocks.flatMap((block) => {
    const file = shownFile(block);
    return file === undefined ? [] : [{ page, block, file, path: page.path }];
  }),
);

test.each(files)(
  "$path shows the text of $file and its output",
  { timeout: 60_000 },
  async ({ page, block, file }) => {
    const source = readFileSync(join(root, file), "utf8");
    const printed = block.output === undefined ? undefined : await printedBy(file);
    if (isUpdate) return update(page, block, source, printed);
    expect(block.content).toBe(source);
    if (printed !== undefined) expect(withoutChance(printed)).toBe(withoutChance(block.output ?? ""));
  },
);

/** By an example, against an agent that has the token it sends. */
async function printedBy(file: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-docs-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const token = "the-token-of-an-example";
  writeFileSync(join(folder, "token"), token, { mode: 0o600 });
  const needsToken = /TOKEN/.test(readFileSync(join(root, file), "utf8"));
  const { url } = await startAgent(
    needsToken ? { args: ["--access-token-file", join(folder, "token")] } : {},
  );
  onTestFinished(await useEmptyHome(url, needsToken ? token : undefined));
  const variables = {
    HOLDFAST_URL: url,
    E2B_SANDBOX_URL: url,
    ...(needsToken ? { AGENT_TOKEN: token } : {}),
  };
  const { stdout } = await run(process.execPath, [join(root, file)], {
    env: { ...cleanEnvironment(), ...variables },
  });
  return stdout;
}

function update(page: Page, block: Block, source: string, printed: string | undefined): void {
  const text = readFileSync(join(root, page.path), "utf8");
  const shown = (content: string, output: string | undefined) =>
    `<!-- ${block.marker} -->\n\`\`\`${block.language}\n${content}\`\`\`\n${output === undefined ? "" : `\n\`\`\`text\n${output}\`\`\`\n`}`;
  writeFileSync(
    join(root, page.path),
    text.replace(shown(block.content, block.output), () => shown(source, printed)),
  );
}

/** Pids, ids and ages differ each time. So does, in a table of processes, how far a process has got; and what ran before is listed. */
function withoutChance(output: string): string {
  return output
    .replace(/^ *\d+ {2}- {2}.*\n/gm, "")
    .replace(/^\d+ [\da-f]{8}-[\da-f-]{27}$/gm, "PID ID")
    .replace(/^ *\d+ {2}(\S+) .* {2}(\S.*)$/gm, "PID $1 … $2")
    .replace(/^ +PID {2}/gm, "PID  ")
    .replace(/^hello from \S+/gm, "hello from USER")
    .replace(/ +/g, " ")
    .trimEnd();
}
