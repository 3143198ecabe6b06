// The answer as it is read and printed: one sentence, named checks, the interval, what can and
// cannot be confirmed, the hashes, whom was believed, and the commands to repeat it.

import type { Root, Verdict } from "../engine";
import type { JsonObject } from "../proof/canonical";
import { checksOf, headlineOf, type Check, type Line } from "./checks";
import { beijing, digits, h, icon, markOf, moment, shell, sizeOf, visible, type Child } from "./elements";
import type { Words } from "./words";

export interface Shown {
  readonly verdict: Verdict;
  readonly name: string;
  readonly size: number | null;
  readonly tokenName: string;
  readonly checkedAt: string;
  readonly version: string;
  readonly own: boolean; // the roots given are the platform's
  readonly folder: boolean;
  readonly listed: boolean; // the folder has a listing: that of one exhibit has none
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const part = (value: JsonObject, name: string): JsonObject => (value[name] ?? {}) as JsonObject;

export function answerOf(shown: Shown, words: Words): HTMLElement {
  const { verdict } = shown;
  return h(
    "div", { class: "grid", "data-answer": true, "data-answered": true },
    sentence(shown, words),
    h("div", { class: "two" },
      h("section", { class: "card" }, h("h2", {}, words.say("verdict.checks")), h("ul", { class: "checks" }, ...checksOf(verdict.findings, words).map((one) => checkItem(one, words)))),
      h("div", { class: "stack" }, interval(verdict, words), says(verdict, words), exhibits(verdict, words), material(shown, words)),
    ),
    trustList(shown, words),
    commands(shown, words),
  );
}

function attestedAt(verdict: Verdict): string | null {
  if (verdict.outcome !== "passed" || verdict.subject === "certificate") return null;
  const seals = verdict.facts.map((one) => text(part(one, "seal")["attested_at"])).filter(Boolean);
  return (verdict.subject === "pair" ? verdict.attestedAt : seals.sort()).at(-1) ?? verdict.attestedAt.at(-1) ?? null;
}

function sentence(shown: Shown, words: Words): HTMLElement {
  const { verdict } = shown;
  const at = attestedAt(verdict);
  const counted = (outcome: string): number => verdict.findings.filter((one) => one.outcome === outcome).length;
  const said = at === null ? words.say(`verdict.${verdict.subject}.${verdict.outcome}-because`) : words.say(`verdict.${verdict.subject}.existed`, { at: beijing(at) });
  return h(
    "section", { class: `verdict ${verdict.outcome}`, role: "status", tabindex: "-1", "data-verdict": true },
    h("div", { class: "round" }, markOf(verdict.outcome)),
    h("div", {},
      h("p", { class: "value" }, words.say(`outcome.${verdict.outcome}`)),
      h("h1", {}, headlineOf(verdict.subject, verdict.outcome, verdict.findings, words)),
      h("p", {}, said, " ", h("small", {}, words.say("verdict.count", { passed: counted("passed"), failed: counted("failed"), unsure: counted("not-checked") }))),
    ),
    h("div", { class: "take" }, h("button", { type: "button", class: "button", click: () => print() }, words.say("page.engine.report"))),
  );
}

function checkItem(check: Check, words: Words): HTMLElement {
  const open = check.outcome !== "passed";
  return h(
    "li", { class: check.outcome }, markOf(check.outcome), h("b", {}, check.title), h("em", {}, words.say(`outcome.${check.outcome}`)),
    ...check.reasons.map((one) => h("p", {}, one)),
    h("details", { open }, h("summary", {}, words.say("verdict.values", { count: check.steps.length })), h("ol", { class: "lines" }, ...check.steps.map((one) => lineItem(one, words)))),
  );
}

function lineItem({ outcome, title, reason, finding }: Line, words: Words): HTMLElement {
  const facts: Child[] = [];
  const fact = (name: string, value: string): void => void (value && facts.push(h("dt", {}, name), h("dd", {}, visible(value))));
  fact(words.say("verdict.subject"), finding.subject);
  fact(words.say("verdict.step"), `${finding.step} · ${finding.rule}`);
  fact(words.say("page.code"), finding.code === "ok" ? "" : finding.code);
  fact(words.say("page.expected"), finding.expected);
  fact(words.say("page.found"), finding.found);
  return h(
    "li", { class: outcome },
    h("p", {}, markOf(outcome), h("span", {}, title), " ", h("em", {}, words.say(`outcome.${outcome}`))),
    outcome === "passed" && reason !== "" && h("p", { class: "note" }, reason),
    h("dl", {}, ...facts),
  );
}

function interval(verdict: Verdict, words: Words): HTMLElement | null {
  const at = attestedAt(verdict);
  if (at === null) return null;
  const bound = verdict.facts.length === 1 ? part(verdict.facts[0]!, "not_before") : {};
  const before = text(bound["at"]);
  const accuracy = verdict.token?.accuracyMilliseconds ?? (verdict.facts.length === 1 ? part(verdict.facts[0]!, "seal")["accuracy_milliseconds"] : null);
  const by = verdict.token?.authority || (verdict.facts.length === 1 ? text(part(verdict.facts[0]!, "seal")["authority"]) : "");
  const source = [words.say("page.interval.by-token"), typeof accuracy === "number" ? `±${accuracy} ms` : "", verdict.clockNotVerified ? words.say("page.clock.unverified") : ""].filter(Boolean).join(" · ");
  return h(
    "section", { class: "card" }, h("h2", {}, words.say("page.interval.title")),
    h("div", { class: "band" },
      h("div", { class: `end ${before ? "known" : "unknown"}` },
        h("small", {}, words.say("page.interval.not-before")),
        h("b", {}, before ? moment(before) : words.say("page.interval.none")),
        h("small", {}, before ? words.say("page.engine.before", { source: visible(text(bound["source"])) }) : words.say("page.interval.not-looked"))),
      h("div", { class: "end known" },
        h("small", {}, words.say("page.interval.not-after")), h("b", {}, moment(at)), h("small", {}, source), by !== "" && h("small", {}, visible(by))),
    ),
    h("p", { class: "note" }, "UTC+08:00"),
  );
}

function says(verdict: Verdict, words: Words): HTMLElement {
  const passed = verdict.outcome === "passed";
  return h(
    "section", { class: "card" }, h("h2", {}, words.say("page.says.title")),
    h("p", { class: passed ? "say" : "say wait" }, h("b", {}, words.say(passed ? "page.says.can" : "page.says.cannot-now")), passed ? words.say(`verdict.${verdict.subject}.can`) : words.say(`page.says.${verdict.outcome}`)),
    h("p", { class: "say no" }, h("b", {}, words.say("page.says.cannot")), words.say("page.says.cannot-text")),
    h("p", { class: "note" }, words.say("page.engine.revocation")),
  );
}

function exhibits(verdict: Verdict, words: Words): HTMLElement | null {
  if (!verdict.facts.length) return null;
  const lines = verdict.facts.map((one) => {
    const at = text(part(one, "seal")["attested_at"]);
    const kind = `${words.say(`kind.${text(one["kind"])}`)} · ${words.say("page.interval.not-after")} `;
    return h("li", {}, h("b", { class: "name" }, visible(text(one["claimed_name"]))), h("span", {}, kind, moment(at)), h("small", {}, text(one["number"])));
  });
  return h("section", { class: "card" }, h("h2", {}, `${words.say("verdict.exhibits")} `, h("small", {}, String(lines.length))), h("ul", { class: "papers" }, ...lines));
}

function material(shown: Shown, words: Words): HTMLElement {
  const facts: Child[] = [];
  const fact = (name: string, value: Child): void => void (value && facts.push(h("dt", {}, name), h("dd", {}, value)));
  const { verdict } = shown;
  const { token } = verdict;
  fact(words.say("verdict.name"), visible(shown.name));
  fact(words.say("verdict.size"), shown.size !== null && sizeOf(shown.size));
  for (const [name, value] of Object.entries(verdict.digests)) fact(name === "sm3" ? "SM3" : name.replace("sha", "SHA-"), digits(value));
  if (verdict.evidence) fact(words.say("page.engine.evidence"), digits(verdict.evidence));
  fact(words.say("page.engine.token"), visible(shown.tokenName));
  if (token) {
    fact(words.say("page.engine.token-says"), `${beijing(token.attestedAt)} (UTC+08:00)`);
    fact(words.say("page.engine.token-by"), visible(token.authority));
    fact(words.say("page.engine.token-policy"), token.policy);
    fact(words.say("page.engine.token-serial"), token.serial);
    if (token.spelling !== "der") fact(words.say("page.engine.token-form"), words.say("page.engine.unwrapped", { spelling: token.spelling.toUpperCase() }));
    else if (token.bare) fact(words.say("page.engine.token-form"), words.say("page.engine.bare"));
  }
  fact(words.say("page.engine.prints"), verdict.printOf);
  fact(words.say("verdict.checked-at"), `${beijing(shown.checkedAt)} (UTC+08:00, ${words.say("page.engine.device-clock")})`);
  fact(words.say("page.engine.version"), shown.version);
  return h("section", { class: "card" }, h("h2", {}, words.say("verdict.file")), h("dl", { class: "facts" }, ...facts), h("p", { class: "note" }, words.say("page.engine.stayed")));
}

function trustList(shown: Shown, words: Words): HTMLElement {
  const { verdict, own } = shown;
  const source = verdict.trusted === "given" && own ? "platform" : verdict.trusted;
  const roots = verdict.roots.map((one: Root) =>
    h("li", {}, h("b", {}, visible(one.name)), h("span", {}, words.say("page.engine.root-until", { at: beijing(one.until).slice(0, 10) })), h("span", {}, "SHA-256 ", digits(one.print))));
  const ledger = verdict.findings.some((one) => one.step.startsWith("entry."));
  return h(
    "section", { class: "card" }, h("h2", {}, words.say("verdict.trust")),
    h("p", {}, words.say(`page.engine.trust-${source}`)),
    ledger && h("p", {}, words.say(`page.engine.ledger-${verdict.ledger === "given" && own ? "platform" : verdict.ledger}`)),
    roots.length > 0 && h("details", { "data-roots": true }, h("summary", {}, words.say("page.engine.roots", { count: roots.length })), h("ul", { class: "papers" }, ...roots)),
  );
}

function command(line: string, words: Words): HTMLElement {
  const label = h("span", {}, words.say("page.copy"));
  const button = h("button", { type: "button", class: "quiet", click: () => {
    void navigator.clipboard.writeText(line).then(() => { label.textContent = words.say("page.copied"); });
  } }, icon("copy"), label);
  return h("div", { class: "command" }, h("pre", {}, h("code", {}, line)), "clipboard" in navigator ? button : null);
}

function commands(shown: Shown, words: Words): HTMLElement {
  const { verdict } = shown;
  const file = shell(shown.name || "FILE");
  const believed = `${verdict.trusted === "given" ? " --roots roots.pem" : ""}${verdict.ledger === "given" ? " --policy ledger.policy" : ""}`;
  const lines: string[] = [];
  if (verdict.subject === "pair") {
    const wrapped = verdict.token !== null && verdict.token.spelling !== "der";
    const named = shown.tokenName || "FILE.tsa";
    const token = shell(wrapped ? `${named}.der` : named);
    lines.push(`sha256sum ${file}`);
    if (wrapped) lines.push(`grep -v -- ----- ${shell(named)} | tr -d ' \\t\\r' | base64 -d > ${token}`);
    if (verdict.token?.hash !== "sm3") lines.push(`openssl ts -verify -data ${file} -in ${token}${verdict.token?.bare ? " -token_in" : ""} -CAfile roots.pem`);
    lines.push(`guzheng-verify ${file} ${token}${believed}`);
  } else {
    if (shown.listed) lines.push("sha256sum -c SHA256SUMS");
    lines.push(`guzheng-verify ${shown.folder ? "." : file}${believed}`);
  }
  return h(
    "section", { class: "card" }, h("h2", {}, words.say("page.check-it.again")), h("p", {}, words.say("page.engine.again")),
    ...lines.map((one) => command(one, words)),
  );
}

/** A fingerprint alone: what it is, and what it cannot say by itself. */
export function printsOf(name: string, size: number, prints: { sha256: string; sm3: string }, words: Words, ...below: Child[]): HTMLElement {
  return h(
    "div", { class: "grid", "data-answer": true, "data-answered": true },
    h("section", { class: "card", "data-prints": true, tabindex: "-1" },
      h("h2", {}, words.say("page.engine.prints-title")),
      h("p", {}, words.say("page.engine.prints-lead")),
      h("dl", { class: "facts" },
        h("dt", {}, words.say("verdict.name")), h("dd", {}, visible(name)),
        h("dt", {}, words.say("verdict.size")), h("dd", {}, sizeOf(size)),
        h("dt", {}, "SHA-256"), h("dd", {}, digits(prints.sha256)),
        h("dt", {}, "SM3"), h("dd", {}, digits(prints.sm3))),
      ...below));
}

