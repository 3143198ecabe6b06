// A report, told to a person: the questions of a judge, each answered by the worst of its steps,
// so that nothing bad can hide in one. As guzheng.web.verdicts; a step that no question claims
// is shown by itself.

import { outcomeOf, type Finding, type Outcome } from "../proof/steps";
import type { Subject } from "../engine";
import type { Words } from "./words";

const QUESTIONS: Record<string, readonly string[]> = {
  whole: ["package.container", "package.listing", "package.members", "package.outer", "exhibit.members", "manifest.form"],
  unchanged: ["item.digest", "capture.digest"],
  imprint: ["token.imprint", "seal.imprint"],
  time: ["token.form", "token.signature", "seal.signature"],
  trust: ["token.trust", "seal.trust"],
  ledger: ["leaf", "entry.inclusion", "entry.checkpoint", "entry.quorum"],
  certificate: ["order", "certificate.content", "certificate.signature"],
};
const SEVERITY: Record<Outcome, number> = { failed: 0, "not-checked": 1, passed: 2 };

export interface Line {
  readonly outcome: Outcome;
  readonly title: string;
  readonly reason: string;
  readonly finding: Finding;
}

export interface Check {
  readonly outcome: Outcome;
  readonly title: string;
  readonly reasons: readonly string[];
  readonly steps: readonly Line[];
}

export function checksOf(findings: readonly Finding[], words: Words): Check[] {
  const grouped = new Map<string, Finding[]>(Object.keys(QUESTIONS).map((name) => [name, []]));
  const taken = new Set(findings.map((one) => one.step));
  for (const one of findings) {
    // A certificate by itself was compared with no paper, and no question may say so.
    const alone = one.step === "certificate.signature" && !taken.has("certificate.content");
    const question = alone ? one.step : Object.keys(QUESTIONS).find((name) => QUESTIONS[name]!.includes(one.step)) ?? one.step;
    grouped.set(question, [...(grouped.get(question) ?? []), one]);
  }
  const checks = [...grouped].filter(([, own]) => own.length).map(([name, own]) => checkOf(name, own, words));
  return checks.sort((one, other) => SEVERITY[one.outcome] - SEVERITY[other.outcome]);
}

function checkOf(name: string, findings: readonly Finding[], words: Words): Check {
  const outcome = outcomeOf(findings);
  const steps = findings.map((one) => lineOf(one, words)).sort((one, other) => SEVERITY[one.outcome] - SEVERITY[other.outcome]);
  const passed = words.find(`check.${name}-passed`) ?? steps[0]!.reason;
  const worst = [...new Set(steps.filter((one) => one.outcome === outcome).map((one) => one.reason))];
  return {
    outcome,
    title: words.find(`check.${name}`) ?? steps[0]!.title,
    reasons: outcome === "passed" ? (passed ? [passed] : []) : worst,
    steps,
  };
}

function lineOf(finding: Finding, words: Words): Line {
  const title = words.find(`step.${finding.step}`) ?? finding.step;
  const told = finding.found ? words.find(`step.${finding.step}-told`, { found: finding.found }) : null;
  const reason =
    finding.outcome === "passed"
      ? (told ?? words.find(`step.${finding.step}-passed`) ?? "")
      : (words.find(`proof.${finding.code}`) ?? finding.code);
  return { outcome: finding.outcome, title, reason, finding };
}

/** "These two do not belong together": the commonest mistake, and no sign of a forgery. */
export function headlineOf(subject: Subject, outcome: Outcome, findings: readonly Finding[], words: Words): string {
  const failed = new Set(findings.filter((one) => one.outcome === "failed").map((one) => one.code));
  if (subject === "pair" && failed.size === 1 && failed.has("timestamp.imprint-differs")) return words.say("verdict.imprint-differs");
  return words.say(`verdict.${subject}.${outcome}`);
}
