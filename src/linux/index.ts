export { keepCapabilities } from "./capabilities.ts";
export { errnoName, fromNodeError, systemError } from "./errno.ts";
export { type ChildProperties, InheritedProperties } from "./inherited-properties.ts";
export {
  adoptOrphans,
  bytesReadable,
  closeAll,
  duplicate,
  type Fd,
  libc,
  openPipe,
  type Pid,
  type PipeEnds,
  reapOne,
  setCloseOnExecEverywhere,
} from "./libc.ts";
export { type ChildStdio, type SpawnRequest, spawn } from "./posix-spawn.ts";
export { checkPtySize, openPty, PTY_CAPACITY_BYTES, type PtySize, resizePty } from "./pty.ts";
export { askKernel, describeSocket, prepareConnections, type WaitingBytes, waitingBytes } from "./sockets.ts";
export { enterRawMode, type RawMode } from "./terminal-mode.ts";
