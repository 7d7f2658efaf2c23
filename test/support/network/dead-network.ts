// Makes the network of one connection fail silently: the kernel drops everything that the peer
// sends, as if its packets were lost. The peer receives no FIN, no RST and no acknowledgement.

import type { Socket } from "node:net";
import koffi from "koffi";

const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
/** A classic BPF program of one instruction, "keep 0 bytes of the packet": BPF_RET. */
const DROP_ALL = Buffer.from([0x06, 0, 0, 0, 0, 0, 0, 0]);

const program = koffi.struct("sock_fprog", { length: "uint16_t", filter: "void *" });
const setsockopt = koffi
  .load(null)
  .func("setsockopt", "int", ["int", "int", "int", koffi.pointer(program), "unsigned int"]);

/** This end must stop sending as well, or its packets would be a sign of life. */
export function killNetwork(socket: Socket): void {
  const fd: unknown = Reflect.get(Reflect.get(socket, "_handle") as object, "fd");
  const result = setsockopt(
    fd,
    SOL_SOCKET,
    SO_ATTACH_FILTER,
    { length: 1, filter: DROP_ALL },
    koffi.sizeof(program),
  );
  if (result !== 0) throw new Error(`SO_ATTACH_FILTER: errno ${koffi.errno()}`);
}
