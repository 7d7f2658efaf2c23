// Whether this machine has a device by which the hypervisor reports a clone or a restore from a
// snapshot. Such a machine is probably cloned.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

const VM_CLOCK = "dev/vmclock0";
/** The kernel's driver of VMGenID: on the ACPI bus before Linux 6.10, and on the platform bus from then on. */
const VMGENID_DRIVERS = ["sys/bus/acpi/drivers/vmgenid", "sys/bus/platform/drivers/vmgenid"];
/** Part of every driver's folder. Every other entry is a device. */
const NOT_DEVICES = new Set(["bind", "unbind", "uevent", "module"]);

/** The path of the device, below `root`; undefined if there is none. */
export function cloneDevice(root = "/"): string | undefined {
  const clock = join(root, VM_CLOCK);
  if (existsSync(clock)) return clock;
  for (const driver of VMGENID_DRIVERS.map((path) => join(root, path))) {
    const device = entries(driver).find((name) => !NOT_DEVICES.has(name));
    if (device !== undefined) return join(driver, device);
  }
  return undefined;
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // ENOENT: a kernel without the driver, or a container without /sys.
    return [];
  }
}
