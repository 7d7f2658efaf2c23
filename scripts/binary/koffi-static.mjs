// @ts-check
// In the single executable this replaces the file in which koffi looks for its package of prebuilt
// binaries.
import { loadAddon } from "./addons.mjs";

export function loadStatic() {
  return loadAddon();
}
