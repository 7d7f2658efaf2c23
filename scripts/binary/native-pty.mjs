// @ts-check
// In the single executable this replaces src/linux/native-pty.ts.
import { loadAddon } from "./addons.mjs";

export function loadNativePty() {
  return loadAddon("pty.node");
}
