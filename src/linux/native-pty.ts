// Loads the native part of node-pty from where npm built it. A separate file, because the single
// executable replaces it with one that loads from inside the executable
// (scripts/binary/native-pty.mjs).

import { createRequire } from "node:module";
import { HoldfastError } from "../errors.ts";

export interface NativePty {
  open(cols: number, rows: number): { master: number; slave: number; pty: string };
  resize(fd: number, cols: number, rows: number): void;
}

/**
 * Throws `unimplemented` with the fix if it was not built: npm can be configured to run no install
 * scripts.
 */
export function loadNativePty(): NativePty {
  const require = createRequire(import.meta.url);
  const { loadNativeModule } = require("node-pty/lib/utils.js") as {
    loadNativeModule(name: string): { module: NativePty };
  };
  try {
    return loadNativeModule("pty").module;
  } catch (cause) {
    const message =
      "this agent was installed without its part for terminals: run `npm rebuild node-pty` in the folder that holds " +
      "its node_modules (it compiles, with make, g++ and python3)";
    throw new HoldfastError("unimplemented", message, { cause });
  }
}
