// Arguments that are not UTF-8, which Node replaces by other characters.
import { expect, test } from "vitest";
import { agentForFile } from "../client/file-agent.ts";
import { runCommand } from "../support/agent/agent.ts";

const agent = agentForFile();

/** The shell writes the bytes: Node cannot. */
function withBytes(argument: string, ...args: readonly string[]) {
  const script = `exec "$@" "$(printf '${argument}')"`;
  return runCommand({ args, prefix: ["sh", "-c", script, "sh"], env: { HOLDFAST_URL: agent.url } });
}

test.each([
  [["run", "--", "printf", "%s"], 125],
  [["attach"], 125],
  [["kill"], 2],
  [["ls"], 2],
])("holdfast %j with an argument that is not UTF-8 does nothing, and ends with %i", async (args, code) => {
  const command = withBytes(":/tmp/A=\\351", ...args);
  expect(await command.exited()).toEqual({ code, signal: null });
  expect(command.stdout()).toBe("");
  expect(command.stderr()).toMatch(/^holdfast: the argument ":\/tmp\/A=\uFFFD" is not valid UTF-8.*\n$/);
});

test("the replacement character itself is an argument like others", async () => {
  const command = withBytes("\\357\\277\\275", "run", "--", "printf", "%s");
  expect(await command.exited()).toEqual({ code: 0, signal: null });
  expect(command.stdout()).toBe("\uFFFD");
});
