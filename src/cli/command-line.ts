// The whole command line: reads it, runs one subcommand, ends with its exit code. Only here does the process end on purpose
// (a crash apart, see crash.ts), and only after what was written is flushed.
import { runCommandLine } from "./program.ts";
import { endAfterFlush, outliveReaders } from "./stdio.ts";

outliveReaders();
// No await here: the bundles are CommonJS, which has none at the top (scripts/bundle.mjs).
void runCommandLine(process.argv).then(endAfterFlush);
