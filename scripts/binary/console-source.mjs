// @ts-check
// In the single executable this replaces src/control/console-source.ts: the console's files are assets.

import { getRawAsset } from "node:sea";
import { assetSource } from "../../src/control/console/file-source.ts";

export function installedConsole() {
  return assetSource((name) => {
    try {
      return /** @type {ArrayBuffer} */ (getRawAsset(`console/${name}`));
    } catch {
      // No such asset.
      return undefined;
    }
  });
}
