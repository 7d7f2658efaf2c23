// What can be done with the pane that is open: for its menu and for the command palette.

import { signal } from "@preact/signals";

export interface PaneAction {
  readonly text: string;
  readonly keys?: string;
  readonly act: () => void;
}

export const paneActions = signal<readonly PaneAction[]>([]);
