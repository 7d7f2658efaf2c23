// The log as every folder sees it: fields first, then a message that can be read alone. A pino logger
// has this shape already; src/agent/log.ts makes one.

/** Never throws and never waits: a line that cannot be written is dropped. An error goes in as the field `err`. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
