// scripts/setup.mjs decides before every start and test run what a clone still lacks. Here: each decision, on small
// folders with set times. That the steps themselves work is what a fresh clone in .ci/run shows.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  buildInputs,
  buildIsStale,
  generatedIsStale,
  headersEnv,
  installIsStale,
  missingTools,
  nodeProblem,
} from "../../scripts/setup.mjs";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "holdfast-setup-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Writes a file whose time is `seconds` after a fixed point. */
function write(name: string, seconds = 0, text = ""): void {
  const file = join(root, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  utimesSync(file, 1_700_000_000 + seconds, 1_700_000_000 + seconds);
}

function writeCommand(name: string): void {
  write(`bin/${name}`);
  chmodSync(join(root, "bin", name), 0o755);
}

describe("Node", () => {
  test.each(["20.19.0", "20.20.2", "22.0.0", "26.10.0"])("%s is new enough", (version) => {
    expect(nodeProblem(version)).toBeUndefined();
  });

  test.each(["12.22.0", "18.20.1", "20.18.9"])("%s is refused in one line that names both", (version) => {
    expect(nodeProblem(version)).toBe(`Node ${version} is too old: holdfast needs Node 20.19 or later.`);
  });
});

describe("packages", () => {
  function writeInstalled(seconds: number): void {
    write("node_modules/typescript/package.json");
    write("node_modules/.package-lock.json", seconds);
  }

  test("are installed in a fresh clone", () => {
    write("package-lock.json");
    expect(installIsStale(root)).toBe(true);
  });

  test("are left alone when they are as new as the lock file", () => {
    write("package-lock.json", 5);
    writeInstalled(5);
    expect(installIsStale(root)).toBe(false);
  });

  test("are installed again when the lock file is newer", () => {
    write("package-lock.json", 6);
    writeInstalled(5);
    expect(installIsStale(root)).toBe(true);
  });

  test("are installed again after an install without the compiler", () => {
    write("package-lock.json", 5);
    write("node_modules/.package-lock.json", 6);
    expect(installIsStale(root)).toBe(true);
  });
});

describe("the tool chain for node-pty", () => {
  test("is missing by name, each tool that PATH has not", () => {
    writeCommand("make");
    expect(missingTools({ PATH: join(root, "bin") })).toEqual(["g++", "python3"]);
  });

  test("is complete when CXX and PYTHON name other tools that are there", () => {
    for (const tool of ["make", "clang++", "python3.12"]) writeCommand(tool);
    const env = { PATH: join(root, "bin"), CXX: "clang++ -O2", PYTHON: join(root, "bin/python3.12") };
    expect(missingTools(env)).toEqual([]);
  });
});

describe("Node's headers", () => {
  const node = () => join(root, "bin/node");

  test("are used when they came with Node, under the name this npm understands", () => {
    write("include/node/node.h");
    expect(headersEnv({}, node())).toEqual({ npm_package_config_node_gyp_nodedir: root });
    const oldNpm = { npm_config_user_agent: "npm/10.9.9 node/v20.19.0 linux x64" };
    expect(headersEnv(oldNpm, node())).toEqual({ ...oldNpm, npm_config_nodedir: root });
  });

  test("are left to node-gyp when there are none or the user has set a folder", () => {
    expect(headersEnv({}, node())).toEqual({});
    write("include/node/node.h");
    expect(headersEnv({ npm_config_nodedir: "/elsewhere" }, node())).toEqual({
      npm_config_nodedir: "/elsewhere",
    });
  });
});

describe("generated code", () => {
  beforeEach(() => {
    write("buf.gen.yaml", 1);
    write("proto/process.proto", 1);
  });

  test("is generated when there is none", () => {
    expect(generatedIsStale(root)).toBe(true);
  });

  test("is left alone in a clone that wrote it in the same instant as its source", () => {
    write("src/gen/process_pb.ts", 1);
    expect(generatedIsStale(root)).toBe(false);
  });

  test.each(["proto/process.proto", "buf.gen.yaml"])("is generated again when %s is newer", (source) => {
    write("src/gen/process_pb.ts", 1);
    write(source, 2);
    expect(generatedIsStale(root)).toBe(true);
  });
});

describe("the build", () => {
  beforeEach(() => {
    for (const name of [
      "package.json",
      "package-lock.json",
      "tsconfig.json",
      "tsconfig.build.json",
      "scripts/bundle.mjs",
      "scripts/launcher-head.mjs",
    ])
      write(name, 1);
    write("src/errors.ts", 1);
    write("src/cli/main.ts", 1);
    write("dist/.inputs", 2, buildInputs(root));
  });

  test("is left alone when nothing changed", () => {
    expect(buildIsStale(root)).toBe(false);
  });

  test.each<[string, () => void]>([
    ["there is none", () => rmSync(join(root, "dist"), { recursive: true })],
    ["a source file is newer", () => write("src/errors.ts", 3)],
    ["a source file came back older", () => write("src/errors.ts", -3)],
    ["a source file is new", () => write("src/cli/flags.ts", 1)],
    ["a source file is gone", () => rmSync(join(root, "src/errors.ts"))],
    ["the compiler's settings changed", () => write("tsconfig.json", 3)],
    ["the bundler's settings changed", () => write("scripts/bundle.mjs", 3)],
  ])("is built again when %s", (_what, change) => {
    change();
    expect(buildIsStale(root)).toBe(true);
  });
});
