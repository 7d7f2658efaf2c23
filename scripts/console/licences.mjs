// @ts-check
// The licences of the packages that the console contains.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * @param {string} root
 * @param {string[]} packages
 */
export function licenceTexts(root, packages) {
  const parts = packages.map((name) => {
    const folder = join(root, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    return `${name} ${version} (${license})\n\n${licenceOf(root, folder, license).trim()}\n`;
  });
  return parts.join(`\n${"-".repeat(80)}\n\n`);
}

/**
 * @param {string} root
 * @param {string} folder
 * @param {string} license
 */
function licenceOf(root, folder, license) {
  const file = readdirSync(folder).find((name) => /^(licen[cs]e|copying)(\.|$)/i.test(name));
  if (file !== undefined) return readFileSync(join(folder, file), "utf8");
  // The add-ons of xterm.js come without the licence of their project.
  if (folder.includes("/@xterm/"))
    return readFileSync(join(root, "node_modules/@xterm/xterm/LICENSE"), "utf8");
  // A package of Apache-2.0 without a copy of it: the text is that of this project.
  if (license.includes("Apache-2.0")) return readFileSync(join(root, "LICENSE"), "utf8");
  throw new Error(`${folder} has no file with its licence`);
}
