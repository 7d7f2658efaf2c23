// Loads the native part of node-pty from where npm built it. A separate file, because the single
// executable has no node-pty and replaces this one (scripts/binary/native-pty.mjs).

import { createRequire } from "node:module";

export interface NativePty {
  open(cols: number, rows: number): { master: number; slave: number; pty: string };
  resize(fd: number, cols: number, rows: number): void;
}

/**
 * Throws if there is none for this Node and machine: npm leaves the package out if it could not
 * compile it, and does not compile it if it runs no install scripts.
 */
export function loadNativePty(): NativePty {
  const require = createRequire(import.meta.url);
  const { loadNativeModule } = require("node-pty/lib/utils.js") as {
    loadNativeModule(name: string): { module: NativePty };
  };
  return loadNativeModule("pty").module;
}
