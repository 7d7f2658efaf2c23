// docs/reference/client-api.md is generated from the client's types and comments.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { clientReference } from "../../scripts/client-reference.mjs";
import * as client from "../../src/client/index.ts";

const page = join(import.meta.dirname, "../../docs/reference/client-api.md");

test("the client API page is what `npm run generate` writes", () => {
  expect(readFileSync(page, "utf8")).toBe(clientReference());
});

test("the client API page has a heading for every value that holdfast/client exports", () => {
  const headings = [...clientReference().matchAll(/^### (\w+)/gm)].map(([, name]) => name);
  expect(headings).toEqual(expect.arrayContaining(Object.keys(client)));
});

test("every link of the client API page leads to one of its headings", () => {
  const text = clientReference();
  const headings = new Set(
    [...text.matchAll(/^###? (\w+)/gm)].map(([, name = ""]) => `#${name.toLowerCase()}`),
  );
  const targets = [...text.matchAll(/\]\((#\w+)\)/g)].map(([, target = ""]) => target);
  expect(targets.length).toBeGreaterThan(50);
  expect(targets.filter((target) => !headings.has(target))).toEqual([]);
});
