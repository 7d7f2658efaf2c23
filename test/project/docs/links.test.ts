// Everything that the docs point at exists: links, anchors, paths of the repository, npm scripts.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";
import { anchorsOf, inlineCode, readPages, root } from "./pages.ts";

const pages = readPages();

test.each(pages)("every link of $path leads to a file and a heading that exist", (page) => {
  const broken = linksOf(page.prose).filter((link) => !resolves(page.path, link));
  expect(broken).toEqual([]);
});

test.each(pages)("every path of the repository that $path names exists", (page) => {
  const named = inlineCode(page).flatMap(
    (code) => code.match(/^(?:src|test|scripts|docs|bench|proto|packaging|examples)\/[\w./-]*$/) ?? [],
  );
  // The bench writes its results there; the folder is not committed.
  const written = ["bench/results/"];
  expect(named.filter((path) => !written.includes(path) && !existsSync(join(root, path)))).toEqual([]);
});

test.each(pages)("every npm script that $path names exists", (page) => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const named = [...page.text.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name = ""]) => name);
  expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
});

test("every page of docs/ is linked from the index", () => {
  const index = pages.find(({ path }) => path === "docs/README.md");
  const linked = linksOf(index?.prose ?? "").map((link) => normalize(join("docs", link)));
  const missing = pages
    .map(({ path }) => path)
    .filter((path) => path.startsWith("docs/") && path !== "docs/README.md" && !linked.includes(path));
  expect(missing).toEqual([]);
});

/** Inline links, images and reference definitions. */
function linksOf(prose: string): string[] {
  const text = prose.replace(/(`+)(?!`)(.+?)\1(?!`)/g, "");
  const inline = [...text.matchAll(/\]\(([^)\s]+)\)/g)];
  const references = [...text.matchAll(/^\[[^\]]+\]: +(\S+)$/gm)];
  return [...inline, ...references].map(([, link = ""]) => link);
}

function resolves(from: string, link: string): boolean {
  // Pages of others change without us.
  if (/^https:/.test(link)) return URL.canParse(link);
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? from : normalize(join(dirname(from), path));
  if (!existsSync(join(root, target))) return false;
  if (anchor === undefined) return true;
  const page = pages.find((candidate) => candidate.path === target);
  return page !== undefined && anchorsOf(page).has(anchor);
}
