// The commands of a pane.

import { signalTarget } from "../dashboard/signal-dialog.tsx";
import { startAndOpen } from "../dashboard/start.ts";
import type { PaneAction } from "../palette/pane-actions.ts";
import { formatRoute } from "../session/route.ts";
import { client, isLimited, mayChange, mayType, replacePane, say, sayError } from "../session/state.ts";
import { strings } from "../strings.ts";
import { copyText, saveBlob } from "../ui/copy.ts";
import { formatBytes } from "../ui/format.ts";
import type { PaneSession } from "./session.ts";

export interface PaneTools {
  readonly session: PaneSession;
  readonly name: string;
  readonly find: () => void;
  readonly showText: () => void;
  readonly toggleKeys: () => void;
}

export function actionsOf({ session, name, find, showText, toggleKeys }: PaneTools): PaneAction[] {
  const { processId, mode } = session.address;
  const { terminal } = session.screen;
  const info = session.info.value;
  const recorded = session.recordedBytes.value;
  const actions: (PaneAction | false)[] = [
    { text: strings.find, keys: "Ctrl-Shift-F", act: find },
    mode === "control" &&
      !session.inControl.value && { text: strings.takeControl, act: () => session.takeControl() },
    mode !== "control" &&
      mayType.value && {
        text: strings.takeControl,
        act: () => replacePane(processId, { processId, mode: "control" }),
      },
    mode !== "watch" &&
      info?.isPty === true && {
        text: strings.watchOnly,
        act: () => replacePane(processId, { processId, mode: "watch" }),
      },
    mode !== "log" && { text: strings.log, act: () => replacePane(processId, { processId, mode: "log" }) },
    mayChange.value &&
      !isLimited.value && {
        text: strings.splitRight,
        act: () =>
          void startAndOpen(
            { cmd: "bash", pty: { cols: 80, rows: 24 }, output: { detached: "ring" } },
            true,
          ).catch(sayError),
      },
    mode === "log" && { text: strings.follow, act: () => terminal.scrollToBottom() },
    { text: strings.redraw, act: () => void session.redraw().catch(sayError) },
    recorded === undefined
      ? { text: strings.record, act: () => session.startRecording(name) }
      : {
          text: strings.stopRecording(formatBytes(recorded)),
          act: () => saveBlob(new Blob([session.stopRecording()]), `${name.replace(/\W+/g, "-")}.cast`),
        },
    { text: strings.downloadOutput, act: () => void downloadOutput(processId, name).catch(sayError) },
    { text: strings.copyLink, act: () => void copyLink(processId, mode) },
    { text: strings.copyId, act: () => void copyText(processId) },
    { text: strings.textView, keys: "Alt-F2", act: showText },
    {
      text: strings.screenReader,
      act: () => {
        terminal.options.screenReaderMode = terminal.options.screenReaderMode !== true;
      },
    },
    { text: strings.fontLarger, act: () => session.changeFont(1) },
    { text: strings.fontSmaller, act: () => session.changeFont(-1) },
    mode === "control" && { text: strings.keyBar, act: toggleKeys },
    mayChange.value &&
      info !== undefined &&
      !session.isOver && {
        text: strings.signal,
        act: () => {
          signalTarget.value = info;
        },
      },
  ];
  return actions.filter((action) => action !== false);
}

async function copyLink(processId: string, mode: "control" | "watch" | "log"): Promise<void> {
  const address = location.href.replace(/#.*/s, "");
  await copyText(address + formatRoute({ page: "panes", panes: [{ processId, mode }] }), strings.linkCopied);
}

/** All that the agent holds now, as the process wrote it. */
async function downloadOutput(processId: string, name: string): Promise<void> {
  const [info] = (await client.value?.list({ process: processId, includeEnded: true })) ?? [];
  if (info === undefined || client.value === undefined) throw new Error(strings.goneText);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  if (info.offset > 0) {
    const process = await client.value.attach(processId, { fromOffset: 0, lag: "skip" });
    for await (const event of process) {
      if (event.kind !== "gap") parts.push(new Uint8Array(event.data));
      if (process.offset >= info.offset) break;
    }
    process.detach();
  }
  const blob = new Blob(parts);
  saveBlob(blob, `${name.replace(/\W+/g, "-")}.log`);
  say(strings.downloadDone(formatBytes(blob.size)));
}
