// Plays a recording in a terminal, at a speed, with or without its pauses. The file stays in this browser.

import { useEffect, useRef, useState } from "preact/hooks";
import { sayError } from "../session/state.ts";
import { strings } from "../strings.ts";
import { type Cast, type CastEvent, parseCast, skipIdle } from "./recording.ts";
import { Screen } from "./screen.ts";

const MAX_PAUSE_MS = 2_000;
const SPEEDS = [0.5, 1, 2, 4, 8];

export function Player() {
  const [cast, setCast] = useState<Cast>();
  const [isPlaying, setPlaying] = useState(false);
  const [speed, setSpeed] = useState(1);
  const [skips, setSkips] = useState(true);
  const box = useRef<HTMLDivElement>(null);
  const screen = useRef<Screen | undefined>(undefined);
  const next = useRef(0);

  useEffect(() => {
    if (cast === undefined || box.current === null) return;
    const fresh = new Screen({ ...cast, scrollback: 1_000, isReadOnly: true, turnsNewLines: false });
    fresh.open(box.current, strings.player);
    fresh.scaleToFit();
    screen.current = fresh;
    next.current = 0;
    setPlaying(true);
    return () => fresh.dispose();
  }, [cast]);

  useEffect(() => {
    if (cast === undefined || !isPlaying) return;
    const events = skips ? skipIdle(cast.events, MAX_PAUSE_MS) : cast.events;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const step = () => {
      const event = events[next.current++];
      if (event === undefined) return setPlaying(false);
      show(screen.current, event);
      const waitMs = ((events[next.current]?.atMs ?? event.atMs) - event.atMs) / speed;
      timer = setTimeout(step, waitMs);
    };
    step();
    return () => clearTimeout(timer);
  }, [cast, isPlaying, speed, skips]);

  const choose = async (file: File | undefined) => {
    try {
      if (file !== undefined) setCast(parseCast(await file.text()));
    } catch (error) {
      sayError(error);
    }
  };
  const toggle = () => {
    if (!isPlaying && next.current >= (cast?.events.length ?? 0)) {
      next.current = 0;
      screen.current?.terminal.reset();
    }
    setPlaying(!isPlaying);
  };
  return (
    <div class="player">
      <div class="tools">
        <h1>{strings.player}</h1>
        <label class="button">
          {strings.chooseFile}
          <input
            type="file"
            accept=".cast"
            class="unseen"
            onChange={({ currentTarget }) => void choose(currentTarget.files?.[0])}
          />
        </label>
        {cast !== undefined && (
          <>
            <button type="button" class="primary" onClick={toggle}>
              {isPlaying ? strings.pause : strings.play}
            </button>
            <label class="check">
              <span>{strings.speed}</span>
              <select value={speed} onChange={({ currentTarget }) => setSpeed(Number(currentTarget.value))}>
                {SPEEDS.map((value) => (
                  <option key={value} value={value}>
                    {value}×
                  </option>
                ))}
              </select>
            </label>
            <label class="check">
              <input
                type="checkbox"
                checked={skips}
                onInput={({ currentTarget }) => setSkips(currentTarget.checked)}
              />
              <span>{strings.skipIdle}</span>
            </label>
          </>
        )}
      </div>
      {cast === undefined ? (
        <p class="empty quiet">{strings.playerText}</p>
      ) : (
        <div class="terminal-box" ref={box} />
      )}
    </div>
  );
}

function show(screen: Screen | undefined, { kind, text }: CastEvent): void {
  const [, cols, rows] = kind === "r" ? (/^(\d+)x(\d+)$/.exec(text) ?? []) : [];
  if (kind === "o") screen?.terminal.write(text);
  else if (cols !== undefined && rows !== undefined) {
    screen?.terminal.resize(Number(cols), Number(rows));
    screen?.scaleToFit();
  }
}
