// `holdfast serve`: its flags, its help, and what they mean for the agent. Loads the agent itself only when it is run:
// the help needs neither Connect nor koffi.
import type { Command } from "commander";
import { type LogFormat, type LogLevel, logFormats, logLevels } from "../options/log-settings.ts";
import { optionalSetting, setting, unknownVariables } from "../options/settings.ts";
import {
  type DetachedMode,
  detachedModes,
  readBytes,
  readChoice,
  readDurationMs,
  readYesNo,
} from "../options/values.ts";
import { type AccessFlags, accessSettings, addAccessFlags } from "./access-flags.ts";
import { addCommandFlags, type CommandFlags, commandSettings } from "./command-flags.ts";
import { addLimitFlags, type LimitFlags, limitSettings } from "./limit-flags.ts";
import { addListeningFlags, type ListeningFlags, listenAddresses } from "./listening-flags.ts";

/** As commander names what the flags below yield. */
interface ServeFlags extends ListeningFlags, AccessFlags, CommandFlags, LimitFlags {
  readonly drainTimeout: number;
  readonly shutdownGrace: number;
  readonly detached: DetachedMode;
  readonly detachedBuffer: number;
  readonly replay: number;
  readonly memoryBudget: number;
  readonly stallTimeout: number;
  readonly retainEnded: number;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly logCommands?: boolean;
}

/** `done` gets the exit code once the agent has stopped, or could not start. */
export function addServe(program: Command, done: (exitCode: number) => void): void {
  const serve = program
    .command("serve")
    .summary("run the agent until SIGTERM or Ctrl-C")
    .description(
      'Runs the agent until SIGTERM or Ctrl-C. It prints one line to stdout once it is ready, "holdfast listening on ' +
        'http://HOST:PORT", and its log to stderr.',
    );
  addAccessFlags(addListeningFlags(serve))
    .optionsGroup("Processes:")
    .addOption(
      setting({
        flags: "--drain-timeout <duration>",
        description: "how long orphans that hold an exited process's output open may delay its end",
        fallback: "200ms",
        read: readDurationMs,
      }),
    )
    .addOption(
      setting({
        flags: "--shutdown-grace <duration>",
        description: "how long processes have between SIGTERM and SIGKILL when the agent stops",
        fallback: "5s",
        read: readDurationMs,
      }),
    )
    .optionsGroup("Output:")
    .addOption(
      setting({
        flags: "--detached <mode>",
        description:
          "while no client is attached: block (stop reading), buffer (read on until --detached-buffer is held, then " +
          "block), or ring (read on and keep the newest --replay)",
        fallback: "block",
        read: readChoice(detachedModes),
      }),
    )
    .addOption(
      setting({
        flags: "--detached-buffer <size>",
        description: "how much output nobody has had is held in mode buffer",
        fallback: "4MiB",
        read: readBytes,
      }),
    )
    .addOption(
      setting({
        flags: "--replay <size>",
        description: "how much output that clients have had stays held, so that they can resume",
        fallback: "1MiB",
        read: readBytes,
      }),
    )
    .addOption(
      setting({
        flags: "--memory-budget <size>",
        description: "how much output is held for all processes together",
        fallback: "64MiB",
        read: readBytes,
      }),
    )
    .addOption(
      setting({
        flags: "--stall-timeout <duration>",
        description: "how long a client that accepts nothing may hold up others of the same process",
        fallback: "10s",
        read: readDurationMs,
      }),
    )
    .addOption(
      setting({
        flags: "--retain-ended <duration>",
        description: "how long the output and exit code of an ended process can still be had",
        fallback: "60s",
        read: readDurationMs,
      }),
    );
  addLimitFlags(addCommandFlags(serve))
    .optionsGroup("Log (on stderr):")
    .addOption(
      setting({
        flags: "--log-level <level>",
        description: `the least that is logged: ${logLevels.join(", ")}`,
        fallback: "info",
        read: readChoice(logLevels),
      }),
    )
    .addOption(
      setting({
        flags: "--log-format <format>",
        description: "pretty (for people), json (an object a line), or auto: pretty on a terminal, else json",
        fallback: "auto",
        read: readChoice(logFormats),
      }),
    )
    .addOption(
      optionalSetting({
        flags: "--log-commands [yes|no]",
        description: "log each command with its arguments, which may hold secrets",
        read: readYesNo,
      }).preset("yes"),
    )
    .optionsGroup("Other:")
    .addHelpText("after", SERVE_HELP)
    .action(async (flags: ServeFlags, command: Command) => {
      const addresses = listenAddresses(flags, process.env);
      const access = accessSettings(flags, process.env, command);
      const { runAgent } = await import("../../agent/index.ts");
      done(
        await runAgent({
          addresses,
          access,
          limits: limitSettings(flags),
          commands: commandSettings(flags),
          drainTimeoutMs: flags.drainTimeout,
          shutdownGraceMs: flags.shutdownGrace,
          output: {
            detached: flags.detached,
            detachedBufferBytes: flags.detachedBuffer,
            replayBytes: flags.replay,
          },
          memoryBudgetBytes: flags.memoryBudget,
          stallMs: flags.stallTimeout,
          retainEndedMs: flags.retainEnded,
          log: { level: flags.logLevel, format: flags.logFormat },
          logCommands: flags.logCommands ?? false,
          unknownVariables: unknownVariables(program, process.env),
        }),
      );
    });
}

const SERVE_HELP = `
Each option can also be set by the variable named after "env:"; the flag wins.
A duration is a number and its unit: 200ms, 1.5s, 2m, 1h; a size likewise:
512KiB, 64MiB, 1GiB.

Stopping:
  SIGTERM, SIGINT, SIGQUIT and SIGHUP stop the agent: it takes no new streams,
  sends SIGTERM to every process, SIGKILL to those left after the grace period,
  and delivers what they wrote. A second signal, half a second or more after the
  first, kills everything at once.

Exit codes:
  0      stopped
  1      could not start, or got stuck stopping
  2      bad option or variable
  70     crashed
  128+N  cut short by a second signal, number N

Examples:
  holdfast serve
  holdfast serve --port 0 --log-format pretty
  HOLDFAST_ACCESS_TOKEN_FILE=/run/secrets/token holdfast serve --host ::
  holdfast serve --listen unix:/run/holdfast.sock --socket-mode 0660
`;
