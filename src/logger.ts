// What every folder may ask of a log. Fields first, then a message that reads alone, as pino has it, so that a
// pino logger is one as it is; making one is the command's business (src/cli/logging.ts).

/** Never throws and never waits: a line that cannot be written is dropped. An error goes in as the field `err`. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
