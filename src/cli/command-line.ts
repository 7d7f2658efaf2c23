// The entry point: reads the command line, runs one subcommand, ends with its exit code after stdout and stderr are
// written.

import { problemOfBytes } from "./argument-bytes.ts";
import { keepIgnoredSignals } from "./launched.ts";
import { nameProcess } from "./process-name.ts";
import { runProgram } from "./program.ts";
import { endAfterFlush, outliveReaders, ownStandardStreams } from "./stdio.ts";

const words = process.argv.slice(2);
const problem = problemOfBytes(words);
nameProcess(words);
ownStandardStreams();
outliveReaders();
// No await: the bundles are CommonJS, which has no top-level await (scripts/bundle.mjs).
void keepIgnoredSignals(process.env, process.pid)
  .then(() => runProgram(process.argv, problem))
  .then(endAfterFlush);
