// What a verifier demands: roots for time, the ledger's keys, the quorum of witnesses. The file
// is a c2sp.org/tlog-policy. As guzheng.proof.policy.

import { Malformed, Undecided, require } from "./errors";
import type { Instant } from "./instant";
import { COSIGNATURE, ED25519, ML_DSA_44, Note, SM2, VerifierKey } from "./note";
import { hex, latin1, textOf, type Bytes } from "./octets";
import type { Certificate } from "./x509";

const NONE = "none";
const MAX_OCTETS = 1 << 20;
const MAX_LINES_OF_A_KIND = 64;

export interface Witness {
  readonly name: string;
  readonly key: VerifierKey;
}

interface Group {
  readonly name: string;
  readonly threshold: number;
  readonly members: readonly string[];
}

export interface LedgerPolicy {
  readonly logs: readonly VerifierKey[];
  readonly quorum: string;
  readonly witnesses: readonly Witness[];
  readonly groups: readonly Group[];
}

export interface Trust {
  readonly roots: readonly Certificate[] | null;
  readonly ledger: LedgerPolicy | null;
  readonly authorities: number;
}

export interface Cosigned {
  readonly witness: Witness;
  readonly attestedAt: Instant;
}

export async function requireQuorum(policy: LedgerPolicy, signed: Note): Promise<Cosigned[]> {
  const times = await signed.findSigned(policy.witnesses.map((one) => one.key));
  const cosigned: Cosigned[] = [];
  for (const witness of policy.witnesses) {
    const at = times.get(String(witness.key))?.at ?? null;
    if (at !== null) cosigned.push({ witness, attestedAt: at });
  }
  const met = new Set([NONE, ...cosigned.map((one) => one.witness.name)]);
  for (const group of policy.groups) {
    if (group.members.filter((one) => met.has(one)).length >= group.threshold) met.add(group.name);
  }
  require(met.has(policy.quorum), Undecided, "policy.quorum-missing", `the quorum ${policy.quorum}`, cosigned.map((one) => one.witness.key.name).join(", ") || "no cosignature");
  return cosigned;
}

export function parse(octets: Bytes): LedgerPolicy {
  fits(octets.length <= MAX_OCTETS, `at most ${MAX_OCTETS} octets`, octets.length);
  // Octet by octet: what is above 0x7f is opaque; a vkey must still be UTF-8.
  const text = latin1(octets);
  fits(!/[\x00-\x08\x0b-\x1f\x7f]/.test(text), "no control character but tab and newline", "one");
  const file = new PolicyFile();
  for (const line of text.split("\n")) {
    const words = line.match(/[^ \t]+/g) ?? [];
    if (words.length && !words[0]!.startsWith("#")) file.take(words);
  }
  return file.policy();
}

class PolicyFile {
  private readonly logs: VerifierKey[] = [];
  private readonly witnesses: Witness[] = [];
  private readonly groups: Group[] = [];
  private readonly quorums: string[] = [];
  private readonly defined = new Set<string>();
  private readonly grouped = new Set<string>();

  take([kind, ...words]: string[]): void {
    const [first = "", second = "", ...rest] = words;
    if (kind === "log" && (words.length === 1 || words.length === 2)) this.logs.push(keyOf(first, [ED25519, ML_DSA_44, SM2]));
    else if (kind === "witness" && (words.length === 2 || words.length === 3)) {
      this.define(first);
      this.witnesses.push({ name: first, key: keyOf(second, [COSIGNATURE, ML_DSA_44]) });
    } else if (kind === "group" && rest.length) {
      for (const one of rest) {
        this.requireDefined(one);
        fits(!this.grouped.has(one), "a name in one group only", one);
        this.grouped.add(one);
      }
      this.define(first);
      this.groups.push({ name: first, threshold: thresholdOf(second, rest.length), members: rest });
    } else if (kind === "quorum" && words.length === 1) {
      if (first !== NONE) this.requireDefined(first);
      this.quorums.push(first);
    } else fits(false, "log, witness, group or quorum", kind);
  }

  private define(name: string): void {
    fits(!this.defined.has(name) && name !== NONE, "a name for one thing only", name);
    this.defined.add(name);
  }

  private requireDefined(name: string): void {
    fits(this.defined.has(name), "names of lines before this one", name);
  }

  policy(): LedgerPolicy {
    fits(this.logs.length > 0 && this.quorums.length === 1, "logs, and exactly one quorum", `${this.logs.length} and ${this.quorums.length}`);
    const keys = this.witnesses.map((one) => one.key);
    for (const kind of [this.logs, keys, this.groups]) fits(kind.length <= MAX_LINES_OF_A_KIND, `at most ${MAX_LINES_OF_A_KIND}`, kind.length);
    for (const list of [this.logs, keys]) fits(new Set(list.map((one) => hex(one.key))).size === list.length, "each key once", "one twice");
    return { logs: this.logs, quorum: this.quorums[0]!, witnesses: this.witnesses, groups: this.groups };
  }
}

function keyOf(word: string, types: number[]): VerifierKey {
  const plus = word.includes("+") ? word.indexOf("+") : word.length;
  // A name that is no UTF-8 is none that a key can have; octets in the rest are no base64.
  const text = (textOf(Uint8Array.from(word.slice(0, plus), (one) => one.charCodeAt(0))) ?? "\ud800") + word.slice(plus);
  const key = VerifierKey.parse(text);
  fits(types.includes(key.type), `a key of a type in ${types.join(", ")}`, key.type);
  return key;
}

function thresholdOf(how: string, members: number): number {
  if (how === "any") return 1;
  if (how === "all") return members;
  fits(/^[1-9][0-9]{0,3}$/.test(how), "any, all or a number", how);
  fits(Number(how) <= members, `at most ${members}`, how);
  return Number(how);
}

function fits(holds: boolean, expected: string, found: unknown): void {
  require(holds, Malformed, "policy.malformed", expected, found);
}
