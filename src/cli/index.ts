export { exitCodes } from "./exit-codes.ts";
export type { LogSettings } from "./options/log-settings.ts";
export type { AccessSettings } from "./serve/access-flags.ts";
export type { CommandSettings } from "./serve/command-flags.ts";
export type { LimitSettings } from "./serve/limit-flags.ts";
export { endAfterFlush, printError } from "./stdio.ts";
