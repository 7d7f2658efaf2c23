// Running time: monotonic time minus the pauses in which the whole VM or this process was frozen (rule 17). Everything
// that waits takes a `Clock` as an argument; only this file and the fake clock of the tests create one.

/** The longest delay of setTimeout, in milliseconds (24.8 days). With a longer one it fires at once. */
export const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** A started timer. */
export interface Timer {
  /** A second call, or one after the timer fired, does nothing. */
  cancel(): void;
}

/** The source of time for everything that waits. */
export interface Clock {
  /** Milliseconds of running time since an arbitrary moment. Never goes back. */
  nowMs(): number;
  /** Calls `onTime` once, not before `delayMs` of running time have passed. `delayMs` may exceed MAX_TIMEOUT_MS. */
  startTimer(delayMs: number, onTime: () => void): Timer;
}

export interface RunningClock extends Clock {
  /** A pause that is shorter than `pulseMs` may count as running time: by default a tenth of the delay, or 2 s. */
  startTimer(delayMs: number, onTime: () => void, pulseMs?: number): Timer;
  /** Calls `listener` after each pause, with its length. Returns the function that stops it. */
  onPause(listener: (pausedMs: number) => void): () => void;
}

/** The time sources of a running clock. Tests have their own. */
export interface TimeSource {
  /** Monotonic time, which continues in a pause. */
  nowMs(): number;
  /** The CPU time that this process has used; undefined where it is unknown: then no pause is detected. */
  cpuMs(): number | undefined;
  /** Calls `onTime` once after `delayMs`, at most MAX_TIMEOUT_MS. Returns the function that cancels it. */
  setTimer(delayMs: number, onTime: () => void, keepsAlive: boolean): () => void;
}

/** A timer that is later than this without CPU time used meanwhile was paused. Busy machines delay timers by less. */
const PAUSE_MS = 500;

/** From this length on it is a pause for certain, so it counts from the last sign of life and not from the due time. */
const CERTAIN_PAUSE_MS = 2_000;

/** After a pause, input that arrived meanwhile is handled first: no deadline passes for this long. */
const AFTER_PAUSE_MS = 250;

/** Timers up to this length detect a pause when they fire. Longer ones need a pulse, see `pulseMsFor`. */
const MAX_WITHOUT_PULSE_MS = 2_000;
const MIN_PULSE_MS = 1_000;
const MAX_PULSE_MS = 10_000;

/**
 * No clock of the kernel stands still in a pause, so a pause shows only in a timer that fires late. While a timer is
 * pending, a pulse ticks several times within its delay. A pause shorter than the pulse may pass unnoticed, and a
 * detected one is too long by at most one pulse: a deadline is wrong by a tenth of its length at most. Without pending
 * timers there is no pulse, and the process does not wake up (rule 19).
 */
export function createRunningClock(source: TimeSource): RunningClock {
  const delays = new Set<{ readonly pulseMs: number }>();
  const listeners = new Set<(pausedMs: number) => void>();
  let pausedMs = 0;
  let resumedAtMs = Number.NEGATIVE_INFINITY;
  /** The last moment at which this process certainly ran. */
  let aliveAtMs = source.nowMs();
  /** CPU time at the start of the current pulse. */
  let cpuAtMs = source.cpuMs();
  let pulse: { readonly dueMs: number; readonly cancel: () => void } | undefined;

  /** Counts a pause if something that was due at `dueMs` runs only now. */
  const noticePause = (dueMs: number): void => {
    const now = source.nowMs();
    const lateMs = Math.min(now - dueMs, now - aliveAtMs);
    if (lateMs > PAUSE_MS && wasIdle(lateMs)) {
      const lengthMs = lateMs >= CERTAIN_PAUSE_MS ? now - aliveAtMs : lateMs;
      pausedMs += lengthMs;
      resumedAtMs = now;
      cpuAtMs = source.cpuMs();
      queueMicrotask(() => {
        for (const listener of listeners) listener(lengthMs);
      });
    }
    aliveAtMs = now;
  };

  /** A process that computes or is blocked by its own work uses CPU time; a frozen one does not. */
  const wasIdle = (lateMs: number): boolean => {
    const cpuMs = source.cpuMs();
    return cpuMs !== undefined && cpuAtMs !== undefined && cpuMs - cpuAtMs < lateMs / 2;
  };

  const nowMs = (): number => {
    const now = source.nowMs();
    // After a pause, other code may run before the pulse.
    if (pulse !== undefined && now - pulse.dueMs > PAUSE_MS) noticePause(pulse.dueMs);
    else aliveAtMs = now;
    return now - pausedMs;
  };

  const startPulse = (pulseMs: number): void => {
    const dueMs = source.nowMs() + pulseMs;
    if (pulse !== undefined && pulse.dueMs <= dueMs) return;
    pulse?.cancel();
    cpuAtMs = source.cpuMs();
    pulse = { dueMs, cancel: source.setTimer(pulseMs, onPulse, false) };
  };
  const onPulse = (): void => {
    const dueMs = pulse?.dueMs ?? Number.POSITIVE_INFINITY;
    pulse = undefined;
    noticePause(dueMs);
    let shortestMs = Number.POSITIVE_INFINITY;
    for (const { pulseMs } of delays) shortestMs = Math.min(shortestMs, pulseMs);
    if (shortestMs <= MAX_PULSE_MS) startPulse(shortestMs);
  };
  const stopPulse = (): void => {
    pulse?.cancel();
    pulse = undefined;
  };

  return {
    nowMs,
    startTimer: (delayMs, onTime, pulseMs = pulseMsFor(delayMs)) => {
      const endMs = nowMs() + delayMs;
      if (delays.size === 0 && pulse === undefined) cpuAtMs = source.cpuMs();
      const delay = { pulseMs: cpuAtMs === undefined ? Number.POSITIVE_INFINITY : pulseMs };
      delays.add(delay);
      if (delay.pulseMs <= MAX_PULSE_MS) startPulse(delay.pulseMs);
      const finish = () => {
        delays.delete(delay);
        if (delays.size === 0) stopPulse();
      };
      let cancelStep: () => void;
      const arm = (remainingMs: number): void => {
        const stepMs = Math.min(Math.ceil(remainingMs), MAX_TIMEOUT_MS);
        const dueMs = source.nowMs() + stepMs;
        cancelStep = source.setTimer(
          stepMs,
          () => {
            noticePause(dueMs);
            const afterPauseMs = resumedAtMs + AFTER_PAUSE_MS - source.nowMs();
            const leftMs = Math.max(endMs - nowMs(), Math.min(delayMs, afterPauseMs));
            // Node fires up to 1 ms early.
            if (leftMs >= 1) return arm(leftMs);
            finish();
            onTime();
          },
          true,
        );
      };
      arm(delayMs);
      return {
        cancel: () => {
          cancelStep();
          finish();
        },
      };
    },
    onPause: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

function pulseMsFor(delayMs: number): number {
  if (delayMs <= MAX_WITHOUT_PULSE_MS) return Number.POSITIVE_INFINITY;
  return Math.min(MAX_PULSE_MS, Math.max(MIN_PULSE_MS, delayMs / 10));
}

/** In a browser, the CPU time is unknown and background pages get late timers, so no pause is detected there. */
const cpuUsage: (() => { readonly user: number; readonly system: number }) | undefined =
  typeof process === "object" && typeof process.cpuUsage === "function" ? process.cpuUsage : undefined;

/** Node loads 5 ms of code for `performance`. Both are the kernel's monotonic time. */
const nowMs: () => number =
  typeof process === "object" && typeof process.uptime === "function"
    ? () => 1000 * process.uptime()
    : () => performance.now();

export const realClock: RunningClock = createRunningClock({
  nowMs,
  cpuMs: () => {
    const usage = cpuUsage?.();
    return usage === undefined ? undefined : (usage.user + usage.system) / 1000;
  },
  setTimer: (delayMs, onTime, keepsAlive) => {
    const handle = setTimeout(onTime, delayMs);
    if (!keepsAlive && typeof handle === "object" && "unref" in handle) handle.unref();
    return () => clearTimeout(handle);
  },
});

/** Of the real clock. */
export const startTimer = realClock.startTimer;
