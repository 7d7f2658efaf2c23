// The result of one check of `holdfast doctor`.

export interface Finding {
  readonly check: string;
  readonly verdict: "ok" | "warn" | "fail";
  readonly found: string;
  /** The part that does not work, or works worse. Absent if the verdict is ok. */
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
