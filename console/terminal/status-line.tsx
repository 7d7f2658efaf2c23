// The line below a terminal: the state of the connection, unsent input, gaps, and the window in
// control. It never covers the screen.

import { useEffect, useState } from "preact/hooks";
import { startAgain } from "../dashboard/start.ts";
import { client, isLimited, mayChange, sayError, wasRestarted } from "../session/state.ts";
import { streamsInUse } from "../session/streams.ts";
import { strings } from "../strings.ts";
import { formatBytes } from "../ui/format.ts";
import type { PaneSession, PaneState } from "./session.ts";

export function StatusLine({ session }: { readonly session: PaneSession }) {
  const state = session.state.value;
  const info = session.info.value;
  const unsent = session.unsentBytes.value;
  const gap = session.gapBytes.value;
  const isLost = state.kind === "reconnecting" || state.kind === "hidden";
  return (
    <div class={`status ${state.kind}`} data-state={state.kind}>
      <span class="state-dot" aria-hidden="true" />
      <span class="state-text">
        <StateText state={state} offset={session.offset.value} />
      </span>
      {state.kind === "waiting" && streamsInUse.value > 0 && (
        <>
          <span class="quiet">{strings.waitingForStream(streamsInUse.value)}</span>
          <button type="button" onClick={() => session.attachHere()}>
            {strings.attachHere}
          </button>
        </>
      )}
      {state.kind === "reconnecting" && (
        <button type="button" onClick={() => client.value?.reconnectNow()}>
          {strings.retry}
        </button>
      )}
      {session.isOver && info !== undefined && mayChange.value && !isLimited.value && (
        <button type="button" onClick={() => void startAgain(info).catch(sayError)}>
          {strings.startAgain}
        </button>
      )}
      {gap > 0 && (
        <span class="note">
          {strings.gap(formatBytes(gap))}{" "}
          {session.inControl.value && (
            <button type="button" class="link" onClick={() => void session.redraw().catch(sayError)}>
              {strings.redraw}
            </button>
          )}
        </span>
      )}
      {unsent > 0 && (isLost || unsent > 256) && (
        <span class="note">
          {isLost ? strings.unsent(unsent) : strings.sendingInput(formatBytes(unsent))}
        </span>
      )}
      {session.recordedBytes.value !== undefined && (
        <span class="recording">● {formatBytes(session.recordedBytes.value)}</span>
      )}
      <span class="grow" />
      <span class="quiet wide-only">{formatBytes(session.offset.value)}</span>
      {!session.isOver && <Holder session={session} />}
    </div>
  );
}

function Holder({ session }: { readonly session: PaneSession }) {
  const { mode } = session.address;
  if (mode === "log") return <span class="quiet wide-only">{strings.logLegend}</span>;
  if (mode === "watch") return <span class="badge">{strings.watching}</span>;
  return <span class="quiet">{session.inControl.value ? strings.controlling : strings.otherControls}</span>;
}

function StateText({ state, offset }: { readonly state: PaneState; readonly offset: number }) {
  const isCounting = state.kind === "reconnecting";
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!isCounting) return;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [isCounting]);
  switch (state.kind) {
    case "attaching":
      return <>{strings.attaching}</>;
    case "waiting":
      return <>{strings.paused}</>;
    case "attached":
      return <>{strings.attached}</>;
    case "hidden":
      return <>{strings.detachedHidden}</>;
    case "reconnecting": {
      const seconds = Math.ceil((state.atMs - now) / 1000);
      const text =
        seconds > 0 ? strings.reconnecting(state.attempt, seconds) : strings.reconnectingNow(state.attempt);
      return (
        <>
          {text}, {strings.lastByte(String(offset))}
        </>
      );
    }
    case "ended":
      return <>{strings.endedTitle(state.exit.status)}</>;
    case "gone":
      return <>{wasRestarted.value ? strings.restartedPane : strings.goneText}</>;
    case "refused":
      return <>{`${strings.refused}: ${state.text}`}</>;
  }
}
