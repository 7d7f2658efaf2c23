// A cgroup (version 2) whose processes can be frozen, as a VM is in a pause.

import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { eventually } from "./proc.ts";

export interface FreezableCgroup {
  readonly path: string;
  freeze(): void;
  thaw(): void;
}

const roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/** undefined where none can be created. Removed when the test is finished. */
export function freezableCgroup(): FreezableCgroup | undefined {
  const root = roots.find((folder) => existsSync(join(folder, "cgroup.controllers")));
  if (root === undefined) return undefined;
  const path = join(root, `hf-pause-${process.pid}-${performance.now().toFixed(0)}`);
  try {
    mkdirSync(path);
  } catch {
    // EROFS, EACCES: no permission.
    return undefined;
  }
  const set = (value: "0" | "1") => writeFileSync(join(path, "cgroup.freeze"), value);
  onTestFinished(async () => {
    set("0");
    // Empty once the processes in it are reaped.
    await eventually(
      "an empty cgroup",
      () => isRemoved(path),
      () => path,
    );
  });
  return { path, freeze: () => set("1"), thaw: () => set("0") };
}

function isRemoved(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EBUSY") throw error;
    return false;
  }
}
