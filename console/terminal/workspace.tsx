// The page of the panes: up to four beside each other, or the player of recordings.

import { route } from "../session/state.ts";
import { Pane } from "./pane.tsx";
import { Player } from "./player.tsx";

export function Workspace() {
  if (route.value.page === "player") return <Player />;
  if (route.value.page !== "panes") return null;
  const { panes } = route.value;
  return (
    <div class={`panes of-${panes.length}`}>
      {panes.map((address) => (
        <Pane key={`${address.mode}:${address.processId}`} address={address} />
      ))}
    </div>
  );
}
