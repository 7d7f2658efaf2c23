// What can be chosen about the log. Apart from logging.ts, so that the help does not load pino.

export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

export const logFormats = ["auto", "pretty", "json"] as const;
export type LogFormat = (typeof logFormats)[number];

export interface LogSettings {
  readonly level: LogLevel;
  /** "auto": for people when stderr is a terminal. */
  readonly format: LogFormat;
}
