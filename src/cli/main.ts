#!/usr/bin/env node
// The `holdfast` program: reads the command line, runs one subcommand, ends with its exit code. Only here does the
// process end on purpose (a crash apart, see crash.ts), and only after what was written is flushed.
import { runCommandLine } from "./program.ts";
import { endAfterFlush, outliveReaders } from "./stdio.ts";

outliveReaders();
// No await here: the single executable's bundle is CommonJS, which has none at the top (scripts/build-binary.mjs).
void runCommandLine(process.argv).then(endAfterFlush);
