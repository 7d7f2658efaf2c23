// @ts-check
// The rules of dependency-cruiser, made from the table of the layout. It resolves each import before it judges it, so it
// also finds what the lint cannot see: a folder that the table does not know, and a path spelled in a new way.

import { clientFolderForNode, doorsOf, layout, restricted, settingsFiles, shared } from "./layout.mjs";

/** @param {string} text */
const literally = (text) => text.replaceAll(".", "\\.");
/** @param {string[]} names */
const anyOf = (names) => `(${names.map(literally).join("|")})`;

const folderRules = Object.entries(layout).map(([folder, row]) => {
  const allowed = [`^src/${folder}/`, `^src/${anyOf([...(row.shared ?? shared), ...doorsOf(row.folders)])}$`];
  return {
    name: `imports-of-${folder}`,
    severity: "error",
    from: { path: `^src/${folder}/` },
    to: { path: "^src/", pathNot: row.gen ? [...allowed, "^src/gen/"] : allowed },
  };
});

const packageRules = Object.entries(restricted).map(([name, folders]) => ({
  name: `only-${folders.join("-") || "nobody"}-imports-${name.replace("node:", "")}`,
  severity: "error",
  from: { path: "^src/", pathNot: folders.map((folder) => `^src/${folder}/`) },
  to: { path: name.startsWith("node:") ? `^(node:)?${name.slice(5)}$` : `node_modules/${name}/` },
}));

export default {
  forbidden: [
    { name: "no-circle", severity: "error", from: {}, to: { circular: true } },
    ...folderRules,
    ...packageRules,
    {
      name: "shared-files-import-no-folder",
      severity: "error",
      from: { path: "^src/[^/]+$" },
      to: { path: "^src/[^/]+/" },
    },
    {
      name: "settings-load-nothing-but-settings",
      severity: "error",
      from: { path: `^src/${anyOf(settingsFiles)}$` },
      to: { pathNot: `^src/${anyOf(settingsFiles)}$`, dependencyTypesNot: ["type-only"] },
    },
    {
      name: "generated-messages-import-nothing-of-ours",
      severity: "error",
      from: { path: "^src/gen/" },
      to: { path: "^src/", pathNot: "^src/gen/" },
    },
    {
      name: "folder-is-in-the-layout",
      severity: "error",
      from: { path: "^src/[^/]+/", pathNot: `^src/${anyOf(["gen", ...Object.keys(layout)])}/` },
      to: {},
    },
    {
      name: "no-folder-below-a-sub-folder",
      severity: "error",
      from: { path: "^src/[^/]+/[^/]+/[^/]+/", pathNot: "^src/gen/" },
      to: {},
    },
    {
      name: "client-runs-in-browsers",
      severity: "error",
      from: { path: "^src/client/", pathNot: `^src/client/${clientFolderForNode}/` },
      to: { dependencyTypes: ["core"] },
    },
  ],
  options: {
    // Type-only imports are part of the graph.
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
  },
};
