export type { ProcessEnd } from "./end-status.ts";
export type { InputKind } from "./input.ts";
export type { Process } from "./process.ts";
export {
  type ProcessSelector,
  ProcessTable,
  type ProcessTableOptions,
} from "./process-table.ts";
export type { PtySize } from "./pty.ts";
export type { StartRequest } from "./start-request.ts";
export { startTimer, type Timer } from "./timer.ts";
