// What one of doctor's checks found.

export interface Finding {
  readonly check: string;
  readonly verdict: "ok" | "warn" | "fail";
  readonly found: string;
  /** What would not work, or not as well. Absent where all is well. */
  readonly consequence?: string;
}

export function ok(check: string, found: string): Finding {
  return { check, verdict: "ok", found };
}

export function warn(check: string, found: string, consequence: string): Finding {
  return { check, verdict: "warn", found, consequence };
}

export function fail(check: string, found: string, consequence: string): Finding {
  return { check, verdict: "fail", found, consequence };
}
