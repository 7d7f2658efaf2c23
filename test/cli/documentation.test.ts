// The terminal sessions of docs/reference/cli.md give the output that the page shows. Its other
// commands are run by test/project/docs/commands.test.ts.
import { expect, test } from "vitest";
import { readPage } from "../project/docs/pages.ts";
import { startAgent } from "../support/agent/agent.ts";
import { startCuttingProxy } from "../support/network/cutting-proxy.ts";
import { finished, holdfast, holdfastOnTerminal, processes } from "./holdfast.ts";

/** The sessions in order: the lines typed into a shell, and the notices of holdfast. */
const lines = readPage("docs/reference/cli.md")
  .blocks.filter(({ language }) => language === "console")
  .flatMap(({ content }) => content.split("\n"));
const typed = lines.filter((line) => line.startsWith("$ holdfast ")).map((line) => line.slice(2));
const notices = lines.filter((line) => line.startsWith("holdfast: "));

test("every line of the terminal sessions in docs/reference/cli.md is compared below", () => {
  expect({ typed: typed.length, notices: notices.length }).toEqual({ typed: 3, notices: 8 });
});

test("a terminal shows the notices of docs/reference/cli.md when the same happens", async () => {
  const agent = await startAgent();
  const proxy = await startCuttingProxy({ port: agent.port });
  const [run = [], attach = [], elsewhere = []] = typed.map((line) => line.split(" ").slice(1));
  const [attached, detached, again, lost, back, ended, gone, nobody] = notices;
  const plain = { env: { NO_COLOR: "1" } };

  const first = holdfastOnTerminal(proxy.url, run, plain);
  await first.waitFor(/detaches\r\n/);
  first.type("\u0010\u0011");
  await first.exited();
  const second = holdfastOnTerminal(proxy.url, attach, plain);
  await second.waitFor(/detaches\r\n/);
  proxy.cut("rst");
  await second.waitFor(/reconnected\r\n/);
  const waiting = holdfast(agent.url, ["wait", "--give-up-after", "1s"]);
  const subscribers = async () => (await processes(agent.url)).map((info) => info.subscribers);
  await expect.poll(subscribers, { timeout: 15_000 }).toEqual([2]);
  agent.kill("SIGKILL");
  await agent.exited();
  const lastLine = (await finished(waiting)).stderr.trimEnd().split("\n").at(-1);
  expect(withoutIds(lastLine)).toBe(withoutIds(ended));
  await startAgent({ args: ["--port", String(agent.port)] });
  expect(await second.exited()).toBe(125);

  expect(shownOn(first)).toEqual([attached, detached].map(withoutIds));
  const [attachedAgain, ...onceLost] = shownOn(second);
  expect(attachedAgain).toBe(withoutIds(again));
  expect(onceLost.slice(0, 2)).toEqual([lost, back].map(withoutIds));
  expect(onceLost.at(-1)).toBe(withoutIds(gone));
  expect((await finished(holdfast(agent.url, elsewhere))).stderr).toBe(`${nobody}\n`);
});

function shownOn(terminal: { shown(): string }): string[] {
  return (terminal.shown().match(/holdfast: [^\r]*/g) ?? []).map(withoutIds);
}

function withoutIds(line = ""): string {
  return line.replace(/"[\da-f]{8}-[^"]*"/, "ID").replace(/\d+/g, "N");
}
