// The servers that are measured. Turns the chosen names into running servers, each with an open and
// checked client. A figure gets new servers, so that their peak memory and CPU belong to that
// figure alone.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { checkOutput } from "../clients/check.mjs";
import { openClient } from "../clients/open.mjs";
import { compileForwarder } from "./compile.mjs";
import { launch } from "./launch.mjs";
import { sshProblem, startSshd } from "./sshd.mjs";

/**
 * @typedef {"http1" | "h2c"} Http
 * @typedef {"binary" | "json" | "grpc"} Codec
 * @typedef {{ http: Http, codec: Codec }} Transport
 *
 * @typedef {object} Contender
 * @property {"connect" | "raw" | "tcp" | "ssh"} speaks  which client it needs
 * @property {(transport: Transport, args: readonly string[]) =>
 * Promise<import("./launch.mjs").Server>} start
 * @property {boolean} [mayRefuse]  not ours: it is left out of a figure it cannot do, and that is
 * said
 *
 * @typedef {string | Variant} Wanted  a server by its name, or
 * @typedef {object} Variant
 * @property {string} server
 * @property {string} as  its name in the table
 * @property {readonly string[]} [args]  flags of `holdfast serve`
 *
 * @typedef {object} Subject
 * @property {string} name
 * @property {import("./launch.mjs").Server} server
 * @property {import("../clients/open.mjs").ProcessClient} client
 * @property {Contender["speaks"]} speaks
 *
 * @typedef {ReturnType<typeof createLineup>} Lineup
 */

export const serverNames = ["holdfast", "plain", "raw", "c", "ssh", "peer"];

/**
 * @param {string[]} names  the columns wanted
 * @param {(line: string) => void} say
 */
export function createLineup(names, say) {
  const contenders = availableContenders(names, say);
  return { withSubjects };

  /**
   * Starts those of `wanted` that are in the lineup, lets `use` measure them, and ends them however
   * that went.
   * @template T
   * @param {Wanted[]} wanted
   * @param {Transport} transport
   * @param {(subjects: Subject[]) => Promise<T>} use
   * @returns {Promise<T>}
   */
  async function withSubjects(wanted, transport, use) {
    /** @type {Subject[]} */
    const subjects = [];
    try {
      for (const one of wanted) {
        const { server, as, args = [] } = typeof one === "string" ? { server: one, as: one } : one;
        const contender = contenders.get(server);
        if (contender === undefined) continue;
        const subject = await startSubject(as, contender, transport, args);
        if (subject !== undefined) subjects.push(subject);
      }
      return await use(subjects);
    } catch (error) {
      for (const { name, server } of subjects)
        if (server.stderr()) say(`stderr of ${name}:\n${server.stderr()}`);
      throw error;
    } finally {
      for (const { client } of subjects) client.close();
      await Promise.all(subjects.map(({ server }) => server.stop()));
    }
  }

  /**
   * @param {string} name
   * @param {Contender} contender
   * @param {Transport} transport
   * @param {readonly string[]} args
   * @returns {Promise<Subject | undefined>} undefined: it cannot do this, and may
   */
  async function startSubject(name, contender, transport, args) {
    const server = await contender.start(transport, args);
    const client = openClient(contender.speaks, server.url, transport);
    try {
      await checkOutput(client);
      return { name, server, client, speaks: contender.speaks };
    } catch (error) {
      client.close();
      await server.stop();
      const reason = `${name} over ${transport.http}, ${transport.codec}: ${/** @type {Error} */ (error).message}`;
      if (!contender.mayRefuse)
        throw new Error(`${reason}; its stderr:\n${server.stderr()}`, { cause: error });
      say(`left out: ${reason}`);
      return undefined;
    }
  }
}

/**
 * @param {string[]} names
 * @param {(line: string) => void} say
 */
function availableContenders(names, say) {
  /** @type {Map<string, Contender>} */
  const contenders = new Map();
  for (const name of names) {
    const contender = contenderCalled(name, say);
    if (contender !== undefined) contenders.set(name, contender);
  }
  return contenders;
}

/**
 * @param {string} name
 * @param {(line: string) => void} say
 * @returns {Contender | undefined}
 */
function contenderCalled(name, say) {
  switch (name) {
    case "holdfast":
      return { speaks: "connect", start: (_, args) => launch(name, [...holdfastCommand(), ...args]) };
    case "plain":
      return { speaks: "connect", start: ({ http }) => launch(name, nodeServer("plain-connect.mjs", http)) };
    case "raw":
      return { speaks: "raw", start: ({ http }) => launch(name, nodeServer("raw-forwarder.mjs", http)) };
    case "c": {
      const program = compileForwarder();
      if (program === undefined)
        say("no `cc` here: the C forwarder is left out (apt-get install gcc libc6-dev)");
      return program === undefined ? undefined : { speaks: "tcp", start: () => launch(name, [program]) };
    }
    case "ssh": {
      const problem = sshProblem();
      if (problem !== undefined) say(`OpenSSH is left out: ${problem}`);
      return problem === undefined ? { speaks: "ssh", start: startSshd } : undefined;
    }
    case "peer":
      return peer();
    default:
      throw new Error(`no server called ${name}`);
  }
}

/** As built, on a free port. BENCH_HOLDFAST names the command of another build, see compare.mjs. */
export function holdfastCommand() {
  const built = fileURLToPath(new URL("../../dist/cli/main.cjs", import.meta.url));
  const main = process.env["BENCH_HOLDFAST"] ?? built;
  if (!existsSync(main)) throw new Error(`${main} is missing: run \`npm run build\``);
  return [process.execPath, main, "serve", "--port", "0"];
}

/** @param {string} file @param {Http} http */
function nodeServer(file, http) {
  return [process.execPath, fileURLToPath(new URL(file, import.meta.url)), "--http", http];
}

/** @returns {Contender | undefined} */
function peer() {
  const { BENCH_PEER: url, BENCH_PEER_PID: pid } = process.env;
  if (url === undefined) return undefined;
  const server = {
    url,
    pids: () => (pid === undefined ? [] : [Number(pid)]),
    stderr: () => "",
    stop: () => Promise.resolve(),
  };
  return { speaks: "connect", start: async () => server, mayRefuse: true };
}
