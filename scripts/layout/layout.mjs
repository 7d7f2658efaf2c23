// @ts-check
// The layout of src as a table: which folder may import which. biome.jsonc has the same rules for editors and for
// `npm run lint`, and test/project/boundaries.test.ts compares it with this table; `npm run graph` checks the graph of
// all imports against it.

/** Small files that every folder may import. */
export const shared = [
  "clock.ts",
  "deferred.ts",
  "errors.ts",
  "lasting-time.ts",
  "logger.ts",
  "sampled-logger.ts",
  "text.ts",
  "token-format.ts",
];

/**
 * Settings and their defaults. They load nothing but each other, so that a help text can show a default without loading the
 * agent.
 */
export const settingsFiles = [
  "agent/settings.ts",
  "client/agent-address.ts",
  "filesystem/defaults.ts",
  "http/limits.ts",
  "process/defaults.ts",
  "rpc/rpc-limits.ts",
];

/**
 * The second doors of their folders, because they load little: settings, and the client of an agent at an address, which
 * loads no library for transports.
 */
export const lightDoors = [...settingsFiles, "client/agent-client.ts"];

/** @param {string[]} folders */
export const doorsOf = (folders) => [
  ...folders.map((folder) => `${folder}/index.ts`),
  ...lightDoors.filter((file) => folders.includes(file.slice(0, file.indexOf("/")))),
];

/**
 * `folders` are entered by their index.ts only, and by their file in `lightDoors`; `gen` is the generated messages of the
 * protocol.
 * @type {Record<string, { folders: string[], gen?: boolean, shared?: string[] }>}
 */
export const layout = {
  linux: { folders: [] },
  // No I/O, so no logger either.
  multiplexer: { folders: [], shared: ["clock.ts", "deferred.ts", "errors.ts", "text.ts"] },
  // No I/O: the agent and the command follow a terminal with the same code.
  terminal: { folders: [], shared: [] },
  process: { folders: ["linux", "multiplexer", "terminal"] },
  filesystem: { folders: ["linux"] },
  http: { folders: ["linux"] },
  rpc: { folders: ["linux", "multiplexer", "process", "filesystem", "http"], gen: true },
  control: { folders: ["linux", "multiplexer", "process", "filesystem", "http", "rpc"] },
  handover: { folders: ["linux", "multiplexer", "process", "filesystem", "http", "rpc", "control"] },
  agent: {
    folders: ["linux", "multiplexer", "process", "filesystem", "http", "rpc", "control", "handover"],
  },
  // Published as holdfast/client, together with these shared files (package.json, "files").
  client: { folders: [], gen: true, shared: ["clock.ts", "deferred.ts", "errors.ts", "text.ts"] },
  cli: {
    folders: [
      "linux",
      "multiplexer",
      "terminal",
      "process",
      "filesystem",
      "http",
      "rpc",
      "control",
      "handover",
      "agent",
      "client",
    ],
  },
};

/**
 * Packages and parts of Node that only these folders may import.
 * @type {Record<string, string[]>}
 */
export const restricted = {
  koffi: ["linux"],
  // The editor of `holdfast edit` needs the terminal of the command. The agent starts children by posix_spawn.
  "node:child_process": ["cli"],
};

/** The folder of src/client whose files need Node; all others run in browsers also. */
export const clientFolderForNode = "node";
