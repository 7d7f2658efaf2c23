// Signs of a machine that may be cloned, in a folder with the paths of a machine.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { cloneDevice } from "../../../src/cli/doctor/clone-device.ts";
import { createTempFolder } from "../../support/temp-folder.ts";

function machine(...paths: readonly string[]): string {
  const root = createTempFolder();
  for (const path of paths) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), "");
  }
  return root;
}

test.each([
  "dev/vmclock0",
  "sys/bus/acpi/drivers/vmgenid/VMGENCTR:00",
  "sys/bus/platform/drivers/vmgenid/VMGENCTR:00",
])("a machine with %s may be cloned", (path) => {
  const root = machine(path, "sys/bus/acpi/drivers/vmgenid/bind");
  expect(cloneDevice(root)).toBe(join(root, path));
});

test("a machine with the driver and without the device shows no sign", () => {
  const folder = "sys/bus/acpi/drivers/vmgenid";
  expect(
    cloneDevice(machine(`${folder}/bind`, `${folder}/unbind`, `${folder}/uevent`, `${folder}/module`)),
  ).toBe(undefined);
});

test("a machine without either shows no sign", () => {
  expect(cloneDevice(machine("dev/null"))).toBe(undefined);
});
