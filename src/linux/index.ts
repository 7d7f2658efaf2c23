// The door of linux/, the only folder that calls libc (through koffi) and interprets errno.
// Unexpected effects of these calls:
//
// - posix-spawn: Node's own spawn forks (slower with every MB that the agent holds) and gives
// children sockets instead of pipes. sigfillset leaves out signals 32 and 33. A pty becomes the
// controlling terminal because the leader of a new session opens it.
// - ignored-signals: Node resets ignored signals before any JavaScript runs, and libuv replaces the
// action whenever a listener is added or removed.
// - inherited-properties: children inherit limits and priorities, so the agent's are changed around
// each start and restored. Everything between is one synchronous call.
// - capabilities: they belong to one thread, the one that starts children.
// - libc: waitpid(-1) takes children away from node:child_process; only src/process starts children.
// - libc-pty: posix_openpt instead of openpty, which is in libutil before glibc 2.34.
// - pty: libuv cuts the output of a pty short and spins on a blocking master (see process/io).
// - user-database: NSS may ask the network and may crash on long names.
// - sockets: Node does not show the descriptor of a socket; it is read from a private handle.
// - thread-identity: user, groups and umask belong to one thread when set by raw system calls.
// - inotify: one instance for all; the same inode has one watch, however often it is added.
// - terminal-mode: Node's setRawMode leaves ONLCR on, which breaks programs that move the cursor by
// line feeds.
// - own-image: Node makes 0, 1 and 2 close-on-exec; execve drops the ambient capabilities of a user other
// than root unless they are raised before.
// - random: Node serves random bytes from a cache, which clones of a VM share.
// - allocator: glibc keeps more free memory after each large block that is freed.
// - errno: libuv has no text for ENOEXEC.

export { keepCapabilities } from "./capabilities.ts";
export { codeOf, errnoName, fromNodeError, nameOf, systemError } from "./errno.ts";
export { type CachedFile, cachedFile, loaderOf, prepareCachedFiles } from "./files/cached-files.ts";
export {
  type AttributeFailure,
  type AttributeTarget,
  listAttributes,
  readAttribute,
  removeAttribute,
  writeAttribute,
} from "./files/extended-attributes.ts";
export {
  AT_FDCWD,
  copyRange,
  makeNode,
  nextData,
  O_PATH,
  openResolved,
  RESOLVE,
  readOpenLink,
  setTimes,
} from "./files/file-calls.ts";
export {
  dataExtents,
  type Extent,
  linkNameless,
  lockFile,
  O_TMPFILE,
  reserveBlocks,
  shareBlocks,
  syncFileSystem,
  writeBack,
} from "./files/file-contents.ts";
export {
  addWatch,
  IN,
  type InotifyEvent,
  openInotify,
  parseEvents,
  removeWatch,
  type WatchDescriptor,
} from "./files/inotify.ts";
export { duplicateSocket, endConnection, sendFile } from "./files/send-file.ts";
export { keepIgnored, keptSignals } from "./ignored-signals.ts";
export {
  type DescriptorUse,
  type InheritedDescriptors,
  inheritedDescriptors,
  rehearsedDescriptors,
} from "./inherited-descriptors.ts";
export {
  adoptOrphans,
  bytesReadable,
  closeAll,
  duplicate,
  endWithoutThreads,
  type Fd,
  openPipe,
  type Pid,
  type PipeEnds,
  readAvailable,
  reapOne,
  setCloseOnExecEverywhere,
} from "./libc.ts";
export { returnFreeMemory, returnGaps, setMapsSmallBlocks } from "./memory/allocator.ts";
export { unmapCode } from "./memory/code-pages.ts";
export { type AddressRange, pageOut, readOnlyFileRanges } from "./memory/page-out.ts";
export { wouldWriterWait } from "./output-room.ts";
export {
  becomeImage,
  endByStopSignals,
  type Image,
  openOwnExecutable,
  openUnnamedFile,
} from "./own-image.ts";
export { openPolled, preparePolled } from "./polled-descriptor.ts";
export { type ProcessUsage, readProcessUsage } from "./process-usage.ts";
export { addKernelEntropy, kernelRandomBytes, kernelRandomUuid } from "./random.ts";
export { describeSignal, signalName } from "./signals.ts";
export {
  askKernel,
  describeSocket,
  descriptorOf,
  hasPeerClosed,
  peerProgress,
  prepareConnections,
  type WaitingBytes,
  waitingBytes,
} from "./sockets.ts";
export { type ChildProperties, InheritedProperties } from "./spawn/inherited-properties.ts";
export {
  type Identity,
  type Launch,
  type LaunchReport,
  type LaunchRequest,
  launch,
  prepareLaunches,
  readReport,
} from "./spawn/launcher.ts";
export { type ChildStdio, executeError, type SpawnRequest, spawn, trySpawn } from "./spawn/posix-spawn.ts";
export { checkPtySize, openPty, PTY_CAPACITY_BYTES, type PtySize, resizePty } from "./terminal/pty.ts";
export { enterRawMode, type RawMode } from "./terminal/terminal-mode.ts";
export { groupName, refreshIdNames, userName } from "./users/id-names.ts";
export { setThreadUmask, takeFileIdentity } from "./users/thread-identity.ts";
export {
  type FoundUser,
  isOwnIdentity,
  lookupGroup,
  lookupUid,
  lookupUser,
  ownUser,
  type User,
} from "./users/user-database.ts";
export { openVmClock, type VmClock } from "./vm-clock.ts";
