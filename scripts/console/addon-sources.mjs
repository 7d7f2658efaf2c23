// @ts-check Takes the addon for the widths of characters from its sources, which its package has beside its bundle. The
// bundle contains xterm.js's base library once more, of which the addon uses two functions of one line.

import { join } from "node:path";

const ADDON = "@xterm/addon-unicode11";
const SERVICE = "common/services/UnicodeService";
/** As in xterm.js: bit 0 joins a character with the one before, bits 1 and 2 are its width, the others its kind. */
const SERVICE_CODE = `export const UnicodeService = {
  extractWidth: (value) => (value >> 1) & 3,
  createPropertyValue: (kind, width, joins) => ((kind & 0xffffff) << 3) | ((width & 3) << 1) | (joins ? 1 : 0),
};`;

/**
 * @param {string} root
 * @returns {import("rolldown").Plugin}
 */
export function addonSources(root) {
  const sources = join(root, "node_modules", ADDON, "src");
  return {
    name: "addon-sources",
    resolveId(id, importer) {
      if (id === ADDON) return join(sources, "Unicode11Addon.ts");
      if (importer === undefined || !importer.startsWith(sources)) return undefined;
      if (id === SERVICE) return `\0${SERVICE}`;
      return id === "./UnicodeV11" ? join(sources, "UnicodeV11.ts") : undefined;
    },
    load(id) {
      return id === `\0${SERVICE}` ? SERVICE_CODE : undefined;
    },
  };
}
