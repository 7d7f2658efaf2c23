// The actions on the open pane, for its menu and for the command palette.

import { signal } from "@preact/signals";

export interface PaneAction {
  readonly text: string;
  readonly keys?: string;
  readonly act: () => void;
}

export const paneActions = signal<readonly PaneAction[]>([]);
