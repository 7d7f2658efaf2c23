// A token file that changes at a moment that the tests of a running agent cannot choose.

import { expect, onTestFinished, test } from "vitest";
import { digestOf, TokenFile } from "../../../src/http/index.ts";
import { createTokenFile, tokenFileText, tokenOf } from "../../support/agent/token-file.ts";
import { eventually } from "../../support/proc/proc.ts";

const nothing = () => undefined;
const logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

test("a token that was removed after the agent read the file, and before it watches it, is refused", async () => {
  const kept = { id: "kept", scopes: ["admin"] };
  const removed = { id: "removed", scopes: ["admin"] };
  const { path, replace } = createTokenFile([kept, removed]);
  const file = new TokenFile(path, tokenFileText([kept, removed]), logger);
  onTestFinished(() => file.close());
  const isValid = ({ id }: { readonly id: string }) => file.find(digestOf(tokenOf(id))) !== undefined;
  replace(tokenFileText([kept]));
  expect([kept, removed].map(isValid)).toEqual([true, true]);
  file.watch();
  const isRefused = () => !isValid(removed);
  await eventually("the token is refused", isRefused, () => path);
  expect(isValid(kept)).toBe(true);
});
