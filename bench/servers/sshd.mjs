// The reference `ssh`: Debian's OpenSSH server on loopback, the common way to run commands on other
// machines. It encrypts, which the others do not. Keys, configuration and the client's shared
// connection are in the scratch folder; the user is the current one.

import { execFileSync, spawn } from "node:child_process";
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { userInfo } from "node:os";
import { scratchPath } from "./scratch.mjs";

const SSHD = "/usr/sbin/sshd";
const readyMs = 10_000;

/** @returns {string | undefined} why it cannot be measured here */
export function sshProblem() {
  for (const file of [SSHD, "/usr/bin/ssh", "/usr/bin/ssh-keygen"]) {
    try {
      accessSync(file, constants.X_OK);
    } catch {
      return `no ${file} here (apt-get install openssh-server openssh-client)`;
    }
  }
  return undefined;
}

/**
 * @returns {Promise<import("./launch.mjs").Server>} its url is `ssh://` and the path of the
 * client's configuration
 */
export async function startSshd() {
  const port = await freePort();
  const hostKey = scratchPath(`ssh-host-key-${port}`);
  const userKey = scratchPath(`ssh-user-key-${port}`);
  for (const key of [hostKey, userKey])
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key], {
      stdio: "ignore",
      input: "y\n",
    });
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true });
  const client = scratchPath(`ssh-config-${port}`);
  writeFileSync(
    client,
    [
      "Host bench",
      "HostName 127.0.0.1",
      `Port ${port}`,
      `User ${userInfo().username}`,
      `IdentityFile ${userKey}`,
      "StrictHostKeyChecking no",
      "UserKnownHostsFile /dev/null",
      "LogLevel ERROR",
      // SDKs keep their connection open as well: a command does not pay for the handshake.
      "ControlMaster auto",
      `ControlPath ${scratchPath(`ssh-control-${port}`)}`,
      "ControlPersist 60",
      "",
    ].join("\n"),
  );
  const log = scratchPath(`sshd-${port}.log`);
  const options = [
    `AuthorizedKeysFile ${userKey}.pub`,
    "StrictModes no",
    "PasswordAuthentication no",
    "PermitRootLogin yes",
    "UsePAM no",
    "PidFile none",
    "PrintMotd no",
    "MaxSessions 100",
    // For scp.
    "Subsystem sftp internal-sftp",
    // Without it bash detects a remote login and reads the user's start-up files for each command.
    "SetEnv SHLVL=2",
  ].flatMap((option) => ["-o", option]);
  const server = spawn(
    SSHD,
    ["-D", "-E", log, "-f", "/dev/null", "-h", hostKey, "-p", `${port}`, ...options],
    { stdio: "ignore" },
  );
  const kill = () => server.kill("SIGKILL");
  process.once("exit", kill);
  const ended = new Promise((resolve) => server.once("exit", resolve));
  const stderr = () => readFileSync(log, "utf8").slice(-2000);
  await firstLogin(client, stderr);
  return {
    url: `ssh://${client}`,
    pids: () => sshProcesses(server.pid ?? 0),
    stderr,
    async stop() {
      execFileSync("ssh", ["-F", client, "-O", "exit", "bench"], { stdio: "ignore" });
      server.kill("SIGTERM");
      await ended;
      process.off("exit", kill);
    },
  };
}

/**
 * Opens the connection that all commands share. @param {string} client @param {() => string} log
 */
async function firstLogin(client, log) {
  const deadline = performance.now() + readyMs;
  for (;;) {
    try {
      execFileSync("ssh", ["-F", client, "bench", "true"], { stdio: "ignore", timeout: readyMs });
      return;
    } catch (error) {
      if (performance.now() > deadline)
        throw new Error(`nobody can log in to sshd; its log:\n${log()}`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** It forks for each connection, and for its user. @param {number} pid @returns {number[]} */
function sshProcesses(pid) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean);
  return [pid, ...children.map(Number).filter(isSshd).flatMap(sshProcesses)];
}

/** @param {number} pid */
function isSshd(pid) {
  return readFileSync(`/proc/${pid}/comm`, "utf8") === "sshd\n";
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (probe.address());
      probe.close(() => resolve(port));
    });
  });
}
