// The entry point: reads the command line, runs one subcommand, ends with its exit code after stdout and stderr are
// written.

import { keepIgnoredSignals } from "./launched.ts";
import { nameProcess } from "./process-name.ts";
import { runProgram } from "./program.ts";
import { endAfterFlush, outliveReaders, ownStandardStreams } from "./stdio.ts";

nameProcess(process.argv.slice(2));
ownStandardStreams();
outliveReaders();
// No await: the bundles are CommonJS, which has no top-level await (scripts/bundle.mjs).
void keepIgnoredSignals(process.env, process.pid)
  .then(() => runProgram(process.argv))
  .then(endAfterFlush);
