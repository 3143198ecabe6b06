// Carrying out the steps of a verification one by one, whatever the outcome of each; three
// values, and a report is the worst of its findings. As guzheng.proof.steps and .report.

import kernel from "../kernel.json";
import { ProofError, Undecided } from "./errors";

export type Outcome = "passed" | "not-checked" | "failed";

export interface Finding {
  readonly step: string;
  readonly rule: string;
  readonly outcome: Outcome;
  readonly code: string;
  readonly subject: string;
  readonly expected: string;
  readonly found: string;
}

const RULES: Record<string, string> = kernel.rules;
const SEVERITY: Record<Outcome, number> = { passed: 0, "not-checked": 1, failed: 2 };

export function outcomeOf(findings: readonly Finding[]): Outcome {
  let worst: Outcome = findings.length ? "passed" : "not-checked"; // nothing looked at is nothing proved
  for (const one of findings) if (SEVERITY[one.outcome] > SEVERITY[worst]) worst = one.outcome;
  return worst;
}

export class Steps {
  readonly findings: Finding[] = [];

  constructor(private readonly prefix = "") {}

  /** What the step proved, or null. A text that was proved is told. */
  async check<T>(step: string, prove: () => T | Promise<T>, subject = ""): Promise<T | null> {
    const where = this.prefix + subject;
    const rule = RULES[step]!;
    let proved: T;
    try {
      proved = await prove();
    } catch (error) {
      if (!(error instanceof ProofError)) throw error;
      this.findings.push(faultOf(step, rule, error, where));
      return null;
    }
    this.findings.push({ step, rule, outcome: "passed", code: "ok", subject: where, expected: "", found: typeof proved === "string" ? proved : "" });
    return proved;
  }
}

export function faultOf(step: string, rule: string, error: ProofError, subject = ""): Finding {
  const outcome = error instanceof Undecided ? "not-checked" : "failed";
  return { step, rule, outcome, code: error.code, subject, expected: error.expected, found: error.found };
}

/** The input of a step; without it the step cannot be carried out. */
export function need<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Undecided("step.input-missing", what, "none, or refused above");
  return value;
}
