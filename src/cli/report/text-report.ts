// The report for people and pipes, see report.ts.

import { oneLine } from "../../text.ts";
import { areNoticesSilent } from "./notices.ts";
import { type Detached, type Report, writeOut } from "./report.ts";
import { styled } from "./style.ts";

const LINE_FEED = 0x0a;

export function textReport(): Report {
  let isRaw = false;
  let shownPid = 0;
  /** The last output did not end with a line break. */
  let isWithinLine = false;
  const notice = (text: string): void => {
    if (!areNoticesSilent()) printLine(text);
  };
  const printLine = (text: string): void => {
    const line = styled("yellow", `holdfast: ${oneLine(text)}`, process.stderr);
    // On a raw terminal, a line feed does not move the cursor to the first column.
    const lineBreak = isRaw ? "\r\n" : "\n";
    process.stderr.write((isWithinLine ? lineBreak : "") + line + lineBreak);
    isWithinLine = false;
  };
  return {
    attached: async ({ pid }, { isRaw: raw, keys }) => {
      shownPid = pid;
      isRaw = raw;
      if (raw && keys !== "none" && process.stderr.isTTY === true)
        notice(`attached to process ${pid}; ${keys} detaches`);
    },
    data: ({ kind, data }) => {
      const stream = kind === "stderr" ? process.stderr : process.stdout;
      // Only output to a terminal or to stderr moves the place of the next notice.
      if (stream === process.stderr || stream.isTTY === true) isWithinLine = data.at(-1) !== LINE_FEED;
      return writeOut(stream, data);
    },
    gap: async ({ from, to }) => {
      // Not a notice: output is missing.
      printLine(`${to - from} bytes of output are lost: the agent no longer holds them`);
    },
    lost: (reason, wasUp) =>
      notice(
        wasUp
          ? `the connection is lost (${reason}): reconnecting`
          : `the agent cannot be reached (${reason}): retrying`,
      ),
    gone: (reason) =>
      notice(
        `the agent has ended: ${reason}; trying until it is started again (Ctrl-C or --give-up-after ends this command)`,
      ),
    back: (_offset, wasUp) => notice(wasUp ? "reconnected" : "connected"),
    problem: printLine,
    stopping: (reason, graceMs) =>
      notice(`the agent ends (${reason}) and ends the process; in ${graceMs / 1000} s it is killed`),
    stopped: (reason) => notice(`the agent ended (${reason}), and process ${shownPid} with it`),
    detached: ({ pid, fate, command }) => notice(leavingNotice(pid, fate, command)),
    ended: async ({ timedOut }) => {
      // The exit status reports the rest.
      if (timedOut) notice(`process ${shownPid} was killed: its time limit has passed`);
    },
  };
}

/** The notice must still be true when the person reads it. */
function leavingNotice(pid: number, fate: Detached["fate"], command: string): string {
  switch (fate) {
    case "ended":
      return `left; process ${pid} has ended and has more output: ${command}`;
    case "ending":
      return `left; process ${pid} ends with its agent`;
    case "unknown":
      return `left; the agent cannot be reached, and process ${pid} ran when it last could: ${command}`;
    case "running":
      return `detached; process ${pid} continues: ${command}`;
  }
}
