// What can be done with the panes that are open: for their menus and for the command palette. The palette shows the actions
// of the pane that had the focus last.

import { computed, signal } from "@preact/signals";

export interface PaneAction {
  readonly text: string;
  readonly keys?: string;
  readonly act: () => void;
}

const actionsByPane = signal<ReadonlyMap<string, readonly PaneAction[]>>(new Map());
const focusedPane = signal<string | undefined>(undefined);

export const paneActions = computed<readonly PaneAction[]>(() => {
  const all = actionsByPane.value;
  return all.get(focusedPane.value ?? "") ?? [...all.values()].at(-1) ?? [];
});

export function focusPane(key: string): void {
  focusedPane.value = key;
}

/** `undefined`: the pane is gone. */
export function setPaneActions(key: string, actions: readonly PaneAction[] | undefined): void {
  const next = new Map(actionsByPane.peek());
  if (actions === undefined) next.delete(key);
  else next.set(key, actions);
  actionsByPane.value = next;
}
