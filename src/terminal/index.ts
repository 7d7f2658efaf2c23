export { resetSequence, restoreSequence } from "./sequences.ts";
export { initialState, type TerminalState } from "./state.ts";
export { TerminalTracker } from "./tracker.ts";
