// systemd's socket activation: sockets that were listening before the agent started, passed as
// descriptors 3 and up.

const FIRST_FD = 3;
const VARIABLES = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/**
 * The descriptors passed to the program with `pid`. Deletes the variables from `env`: a command that
 * inherited them could take its own descriptors for sockets.
 */
export function takeInheritedSockets(env: NodeJS.ProcessEnv, pid: number): number[] {
  const isForUs = env["LISTEN_PID"] === String(pid);
  const count = /^\d{1,4}$/.test(env["LISTEN_FDS"] ?? "") ? Number(env["LISTEN_FDS"]) : 0;
  for (const name of VARIABLES) delete env[name];
  return isForUs ? Array.from({ length: count }, (_, index) => FIRST_FD + index) : [];
}
