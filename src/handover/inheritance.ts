// The state that this image of the agent received from the one before, and the return to that one:
// until `accept`, this image has consumed nothing, so the one before can continue. Each failure on
// the way there, even an uncaught exception, executes the image before again.

import { closeSync } from "node:fs";
import { becomeImage, type Fd, type InheritedDescriptors, inheritedDescriptors } from "../linux/index.ts";
import { messageOf, oneLine } from "../text.ts";
import type { AgentState } from "./agent-state.ts";
import { imageOf, STATE_VARIABLE } from "./images.ts";
import { readHead, readState } from "./state-file.ts";

export interface Inheritance {
  /** Throws for a state that this version cannot continue with. */
  readonly state: AgentState;
  readonly descriptors: InheritedDescriptors;
  /** Why the next image could not continue and gave the state back; undefined if this is the next image. */
  readonly givenBack: string | undefined;
  /** Executes the image before. Does nothing after `accept`; returns if it cannot. */
  giveBack(reason: unknown): void;
  /** From here on there is no way back. */
  accept(): void;
}

/** "7" or "7 back REASON". */
const VALUE = /^(\d{1,9})(?: back (.*))?$/s;
const MAX_REASON_LENGTH = 1000;

/** Takes the variable from `env`. Undefined for an agent that was started as usual. */
export function takeInheritance(env: NodeJS.ProcessEnv): Inheritance | undefined {
  const value = env[STATE_VARIABLE];
  delete env[STATE_VARIABLE];
  const [, number, givenBack] = VALUE.exec(value ?? "") ?? [];
  if (number === undefined) return undefined;
  return inherit(Number(number) as Fd, givenBack);
}

function inherit(fd: Fd, givenBack: string | undefined): Inheritance {
  let state: AgentState | undefined;
  let descriptors: InheritedDescriptors | undefined;
  let isAccepted = false;
  const giveBack = (reason: unknown): void => {
    // Two versions that cannot continue must not execute each other forever.
    if (isAccepted || givenBack !== undefined) return;
    executePrevious(fd, oneLine(messageOf(reason)).slice(0, MAX_REASON_LENGTH));
  };
  const onExit = () => giveBack("it ended before it was ready");
  process.once("exit", onExit);
  const read = (): AgentState => {
    state ??= readState(fd, true);
    return state;
  };
  return {
    get state() {
      return read();
    },
    get descriptors() {
      descriptors ??= inheritedDescriptors(read().descriptors);
      return descriptors;
    },
    givenBack,
    giveBack,
    accept: () => {
      isAccepted = true;
      process.off("exit", onExit);
      closeSync(fd);
    },
  };
}

function executePrevious(fd: Fd, reason: string): void {
  const { previous, descriptors } = readHead(fd);
  const path = previous.executable === undefined ? previous.path : `/proc/self/fd/${previous.executable}`;
  const image = imageOf({ path, argv: previous.argv }, `${fd} back ${reason.replaceAll("\0", "")}`);
  becomeImage(image, [...(descriptors as Fd[]), fd]);
}
