// @ts-check
// In the single executable this replaces src/linux/terminal/native-pty.ts: terminals use libc.

export function loadNativePty() {
  throw new Error("node-pty is not in the executable");
}
