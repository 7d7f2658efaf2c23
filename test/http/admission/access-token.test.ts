// The token as an object: set late, replaced, removed.

import { inspect } from "node:util";
import { expect, test } from "vitest";
import { AccessToken, offeredToken } from "../../../src/http/admission/access-token.ts";

test("while no token is set, nothing matches, not even the empty string", () => {
  const token = new AccessToken();
  expect([token.isSet, token.matches(""), token.matches("undefined")]).toEqual([false, false, false]);
});

test("a token matches only itself, and the next one replaces it", () => {
  const token = new AccessToken();
  token.set("secret");
  expect(token.isSet).toBe(true);
  const candidates = ["secret", "Secret", "secre", "secrets", "", "s".repeat(100_000)];
  expect(candidates.filter((candidate) => token.matches(candidate))).toEqual(["secret"]);
  token.set("other");
  expect([token.matches("secret"), token.matches("other")]).toEqual([false, true]);
  token.set(undefined);
  expect([token.isSet, token.matches("other")]).toEqual([false, false]);
});

test("a token that is printed or serialized does not show its secret", () => {
  const token = new AccessToken();
  token.set("secret");
  const shown = inspect(token, { showHidden: true, depth: 9 }) + JSON.stringify({ token }) + String(token);
  expect(shown).not.toContain("secret");
});

test.each([
  [{ "x-access-token": "a" }, "a"],
  [{ authorization: "Bearer a" }, "a"],
  [{ authorization: "BEARER   a" }, "a"],
  [{ "x-access-token": "a", authorization: "Bearer b" }, "a"],
  [{ authorization: "Basic a" }, undefined],
  [{ authorization: "Bearera" }, undefined],
  [{ authorization: "Bearer" }, undefined],
  [{}, undefined],
])("%j offers %j", (headers: Record<string, string>, offered) => {
  expect(offeredToken({ get: (name) => headers[name.toLowerCase()] ?? null })).toBe(offered);
});
