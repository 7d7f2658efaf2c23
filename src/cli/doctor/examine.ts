// Runs `holdfast doctor`: examines the machine, tries the agent's own parts on it, and prints the findings.

import type { CommandSettings } from "../../agent/index.ts";
import type { ListenAddress } from "../../http/index.ts";
import { messageOf, oneLine } from "../../text.ts";
import { exitCodes } from "../exit-codes.ts";
import { writeOut } from "../report/report.ts";
import { styled } from "../report/style.ts";
import { type Finding, fail } from "./finding.ts";
import { machineFindings } from "./machine-checks.ts";

export interface Examination {
  readonly addresses: readonly ListenAddress[];
  readonly commands: CommandSettings;
  readonly memoryBudgetBytes: number;
  /** Whether the agent would serve TLS. */
  readonly hasTls: boolean;
  readonly json: boolean;
  /** The machine, the way to an agent, or both. */
  readonly subject: "machine" | "way" | "both";
}

/** Resolves with the exit code. */
export async function examine({ json, subject, ...settings }: Examination): Promise<number> {
  const findings = [
    ...(subject === "way" ? [] : [...machineFindings(settings), ...(await trials(settings))]),
    ...(subject === "machine" ? [] : await way()),
  ];
  const text = json ? `${JSON.stringify(findings, undefined, 2)}\n` : findings.map(toLine).join("");
  await writeOut(process.stdout, text);
  return findings.some(({ verdict }) => verdict === "fail") ? exitCodes.failed : exitCodes.done;
}

async function way(): Promise<Finding[]> {
  const { wayFindings } = await import("./way-checks.ts");
  return wayFindings();
}

async function trials(settings: Omit<Examination, "json" | "subject">): Promise<Finding[]> {
  try {
    // Loads the native parts, without which the agent cannot start.
    const { trialFindings } = await import("./trials.ts");
    return await trialFindings(settings);
  } catch (error) {
    return [fail("agent", messageOf(error), "it does not start: reinstall it for this machine")];
  }
}

const colors = { ok: "green", warn: "yellow", fail: "red" } as const;

function toLine({ check, verdict, found, consequence }: Finding): string {
  const word = styled(colors[verdict], verdict.padEnd(4), process.stdout);
  const text = consequence === undefined ? found : `${found}: ${consequence}`;
  return `${word}  ${check.padEnd(12)}  ${oneLine(text)}\n`;
}
