// A command whose result never arrives, and that waits for nothing any more. Node alone would end it with exit code 13 or 0.
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { sideBySide } from "../support/side-by-side.ts";
import { finished, holdfast } from "./holdfast.ts";

const neverAnswered = fileURLToPath(new URL("../fixtures/never-answered.cjs", import.meta.url));
const line =
  "holdfast: the command ended without a result, which is a bug in holdfast; its outcome is unknown\n";

const commands: readonly (readonly [words: string, code: number])[] = [
  ["ps", 70],
  ["version", 70],
  ["logs x", 70],
  ["inspect x", 70],
  ["signal x TERM", 70],
  ["kill x", 70],
  ["ls :/", 70],
  ["cat :/etc/hostname", 70],
  ["run true", 125],
  ["run --detach true", 125],
  ["attach x", 125],
  ["wait x", 125],
];

test("a command that never gets its result ends with an exit code above 0 and says so", async () => {
  await sideBySide(
    commands.map(([words, code]) => [words, { words, code }] as const),
    async ({ words, code }) => {
      const command = holdfast("http://127.0.0.1:1", words.split(" "), {
        nodeArgs: ["--require", neverAnswered],
      });
      expect(await finished(command)).toEqual({ code, stdout: "", stderr: line });
    },
  );
});
