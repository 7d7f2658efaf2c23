// @ts-check
// Runs the programs of the build.

import { spawnSync } from "node:child_process";

/**
 * Returns the stdout of the program. Throws if the program fails; the reason is then on its stderr.
 * @param {string} command @param {readonly string[]} args @param {NodeJS.ProcessEnv} [env]
 */
export function run(command, args, env = process.env) {
  const result = spawnSync(command, args, { env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  if (result.error) throw new Error(`cannot run ${command}: ${result.error.message}`);
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(" ")} failed with ${result.status ?? result.signal}`);
  return result.stdout;
}

/** @param {string} line */
export function print(line) {
  process.stderr.write(`binary: ${line}\n`);
}
