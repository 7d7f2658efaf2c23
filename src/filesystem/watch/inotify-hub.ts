// The one inotify instance of the agent, read on the event loop. It passes each event to the watches
// of that directory, and to all watches that are being armed: they do not know yet which directories
// are theirs.

import { readSync } from "node:fs";
import type { Socket, SocketConstructorOpts } from "node:net";
import {
  bytesReadable,
  type Fd,
  IN,
  type InotifyEvent,
  openInotify,
  openPolled,
  parseEvents,
  removeWatch,
  type WatchDescriptor,
} from "../../linux/index.ts";

import { isOwnSpool } from "../threads/own-spools.ts";

const READ_BYTES = 64 * 1024;

export interface HubMember {
  take(event: InotifyEvent): void;
  /** All events that the kernel had were passed on. */
  onDry(): void;
}

export class InotifyHub {
  #socket: Socket | undefined;
  #fd: Fd | undefined;
  readonly #members = new Set<HubMember>();
  readonly #owners = new Map<WatchDescriptor, Set<HubMember>>();
  readonly #arming = new Map<HubMember, number>();
  /** Not removed yet: a thread may be adding the same directory, and would get a watch that is gone. */
  readonly #unowned = new Set<WatchDescriptor>();
  readonly #room = Buffer.alloc(READ_BYTES);
  /** Continues the instance of another image of the agent, which may have watches that nobody asked for. */
  readonly #isInherited: boolean;

  /** `inherited`: the instance of another image of the agent, which is not read before `goOn`. */
  constructor(inherited?: Fd) {
    this.#fd = inherited;
    this.#isInherited = inherited !== undefined;
  }

  /** The instance, if it is open. */
  get fd(): Fd | undefined {
    return this.#fd;
  }

  goOn(): void {
    if (this.#fd !== undefined) this.#poll(this.#fd);
    this.#closeUnused();
  }

  /** The instance is open while there are members. Throws `resource_exhausted`. */
  join(member: HubMember): Fd {
    this.#fd ??= this.#open();
    this.#members.add(member);
    return this.#fd;
  }

  leave(member: HubMember): void {
    this.#members.delete(member);
    for (const [watch, owners] of this.#owners) if (owners.delete(member)) this.#check(watch, owners);
    this.#removeUnowned();
    this.#closeUnused();
  }

  /**
   * `member` adds watches on a thread until `stopArming`, also when it leaves meanwhile. It receives events of all
   * directories.
   */
  startArming(member: HubMember): void {
    this.#arming.set(member, (this.#arming.get(member) ?? 0) + 1);
  }

  stopArming(member: HubMember): void {
    const count = (this.#arming.get(member) ?? 0) - 1;
    if (count > 0) this.#arming.set(member, count);
    else this.#arming.delete(member);
    this.#removeUnowned();
    this.#closeUnused();
  }

  own(watch: WatchDescriptor, member: HubMember): void {
    if (!this.#members.has(member)) {
      // It left while a thread added this.
      if (this.#fd !== undefined && !this.#owners.has(watch)) this.#unowned.add(watch);
      return;
    }
    this.#unowned.delete(watch);
    const owners = this.#owners.get(watch);
    if (owners === undefined) this.#owners.set(watch, new Set([member]));
    else owners.add(member);
  }

  disown(watch: WatchDescriptor, member: HubMember): void {
    const owners = this.#owners.get(watch);
    if (owners?.delete(member) !== true) return;
    this.#check(watch, owners);
    this.#removeUnowned();
  }

  /** Passes on everything that the kernel has, now. */
  readDry(): void {
    while (this.#fd !== undefined && bytesReadable(this.#fd) > 0) {
      const bytes = readSync(this.#fd, this.#room, 0, this.#room.length, null);
      this.#pass(this.#room.subarray(0, bytes));
    }
    for (const member of [...this.#members]) member.onDry();
  }

  get watchCount(): number {
    return this.#owners.size;
  }

  #open(): Fd {
    const fd = openInotify();
    this.#poll(fd);
    return fd;
  }

  #poll(fd: Fd): void {
    const options = {
      readable: true,
      writable: false,
      onread: {
        buffer: Buffer.alloc(READ_BYTES),
        callback: (bytes: number, buffer: Uint8Array) => {
          this.#pass(Buffer.from(buffer.buffer, buffer.byteOffset, bytes));
          // The names of one rename may be in two reads.
          this.readDry();
          return true;
        },
      },
    };
    this.#socket = openPolled(fd, options as SocketConstructorOpts);
    this.#socket.on("error", () => undefined);
    this.#socket.resume();
    // Watches alone do not keep the agent running.
    this.#socket.unref();
  }

  #pass(bytes: Buffer): void {
    for (const event of parseEvents(bytes)) {
      if ((event.mask & IN.Q_OVERFLOW) !== 0) for (const member of [...this.#members]) member.take(event);
      else this.#passOne(event);
    }
  }

  #passOne(event: InotifyEvent): void {
    // A file without a name is never created, moved or removed.
    if ((event.mask & (IN.MODIFY | IN.ATTRIB)) !== 0 && isOwnSpool(event.name)) return;
    const owners = this.#owners.get(event.watch);
    for (const member of owners ?? []) member.take(event);
    for (const member of this.#arming.keys())
      if (this.#members.has(member) && owners?.has(member) !== true) member.take(event);
    if ((event.mask & IN.IGNORED) === 0) {
      if (owners === undefined && this.#isInherited) this.#removeStray(event.watch);
      return;
    }
    this.#owners.delete(event.watch);
    this.#unowned.delete(event.watch);
  }

  /** Added by a thread that the exec ended, for a watch that nobody got. */
  #removeStray(watch: WatchDescriptor): void {
    this.#unowned.add(watch);
    this.#removeUnowned();
  }

  /** Not while a thread adds watches: it has the number of the descriptor. */
  #closeUnused(): void {
    if (this.#members.size > 0 || this.#arming.size > 0) return;
    // Closes the descriptor, and with it every watch of the kernel.
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#fd = undefined;
    this.#owners.clear();
    this.#unowned.clear();
  }

  #check(watch: WatchDescriptor, owners: ReadonlySet<HubMember>): void {
    if (owners.size > 0) return;
    this.#owners.delete(watch);
    this.#unowned.add(watch);
  }

  #removeUnowned(): void {
    if (this.#arming.size > 0 || this.#fd === undefined) return;
    for (const watch of this.#unowned) removeWatch(this.#fd, watch);
    this.#unowned.clear();
  }
}
