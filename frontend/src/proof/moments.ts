// The moments of a capture: stamps asked for while it was under way. guzheng.proof.moments.

import { encode as encodeJson, isObject, type JsonObject } from "./canonical";
import * as capturePaper from "./capture";
import type { CaptureRecord } from "./capture";
import { parseDigest, sha256 } from "./digest";
import { DigestMismatch, Inconsistent, ProofError, Refuted, UnknownKey, require } from "./errors";
import { Fields, objectOf } from "./fields";
import * as instant from "./instant";
import { CAPTURE, MOMENTS, type Papers } from "./layout";
import { Note, parseCheckpoint } from "./note";
import { sorted, toBase64 } from "./octets";
import { requireQuorum, type LedgerPolicy } from "./policy";
import { need, type Steps } from "./steps";

export const BEFORE = `${MOMENTS}before.note`;
const paperOf = (name: string): string => `${MOMENTS}${name}.tsa`;

interface Moment {
  readonly name: string;
  readonly digest: string;
  readonly token: string | null;
}

interface SeenBefore {
  readonly origin: string;
  readonly size: number;
  readonly root: string;
  readonly note: string;
}

function momentsOf(record: CaptureRecord): Moment[] {
  const listed = (record.fields["moments"] ?? []) as JsonObject[];
  const found = listed.map((one) => ({
    name: String(one["name"]),
    digest: parseDigest(String(one["digest"])),
    token: "token" in one ? parseDigest(String(one["token"])) : null,
  }));
  require(new Set(found.map((one) => one.name)).size === found.length, Inconsistent, "moment.twice", "each moment once", "one twice");
  return found;
}

function beforeOf(record: CaptureRecord): SeenBefore | null {
  const opening = record.fields["opening"];
  if (!isObject(opening) || !("not_before" in opening)) return null;
  const fields = new Fields(opening["not_before"], "opening.not_before");
  return { origin: fields.text("origin"), size: fields.count("size"), root: fields.text("root"), note: parseDigest(fields.text("note")) };
}

function statedIn(record: CaptureRecord, name: string): string {
  const { fields } = record;
  if (name === "opening") {
    const opening = objectOf(fields["opening"]);
    for (const one of ["exhibit", "requested_url"]) {
      require(opening[one] === fields[one], Inconsistent, "moment.of-another", fields[one], opening[one]);
    }
    return sha256(encodeJson(opening));
  }
  if (name === "closing") {
    const listed = (fields["moments"] ?? []) as JsonObject[];
    const moments = listed.filter((one) => one["name"] !== "closing");
    return sha256(encodeJson({ schema: "guzheng.closing/1", exhibit: fields["exhibit"]!, artefacts: fields["artefacts"]!, moments }));
  }
  return parseDigest(new Fields(need(fields["transcript"], "a transcript"), "transcript").text("index"));
}

type CheckStamp = (name: string, over: string) => Promise<instant.Instant | null>;

export async function checkMoments(steps: Steps, papers: Papers, ledger: LedgerPolicy | null, checkStamp: CheckStamp, sealedAt: instant.Instant | null, apart: bigint): Promise<void> {
  const record = recordOf(papers);
  const held = [...papers.keys()].filter((name) => name.startsWith(MOMENTS));
  if (record === null) {
    if (held.length) await steps.check("moment.named", () => need(null, CAPTURE), MOMENTS);
    return;
  }
  const found = await steps.check("moment.named", () => named(record, held), MOMENTS);
  const times: [string, instant.Instant | null][] = [];
  for (const moment of found ?? []) {
    if (moment.token === null) continue;
    const name = paperOf(moment.name);
    await steps.check("moment.statement", () => stated(record, moment), name);
    await steps.check("moment.token", () => sameToken(papers, moment), name);
    times.push([moment.name, await checkStamp(name, moment.digest)]);
  }
  const seen = beforeOf(record);
  if (seen !== null) await steps.check("moment.before", () => requireBefore(seen, papers, ledger), BEFORE);
  if (times.length) await steps.check("moment.order", () => inOrder([...times, ["seal", sealedAt]], apart), MOMENTS);
}

function recordOf(papers: Papers): CaptureRecord | null {
  const octets = papers.get(CAPTURE);
  if (octets === undefined) return null;
  try {
    return capturePaper.parse(octets);
  } catch (error) {
    if (error instanceof ProofError) return null;
    throw error;
  }
}

function named(record: CaptureRecord, held: string[]): Moment[] {
  const moments = momentsOf(record);
  const wanted = new Set(moments.filter((one) => one.token !== null).map((one) => paperOf(one.name)));
  if (beforeOf(record) !== null) wanted.add(BEFORE);
  const missing = sorted([...wanted].filter((one) => !held.includes(one)))[0];
  if (missing !== undefined) throw new Refuted("package.member-missing", missing, "no such member");
  const extra = sorted(held.filter((one) => !wanted.has(one)))[0];
  if (extra !== undefined) throw new Refuted("package.member-extra", "only the moments that the record names", extra);
  return moments;
}

function stated(record: CaptureRecord, moment: Moment): string {
  const found = statedIn(record, moment.name);
  require(found === moment.digest, DigestMismatch, "moment.statement-differs", moment.digest, found);
  return found;
}

function sameToken(papers: Papers, moment: Moment): void {
  const name = paperOf(moment.name);
  const found = sha256(need(papers.get(name), name));
  require(found === moment.token, DigestMismatch, "moment.token-differs", moment.token, found);
}

async function requireBefore(seen: SeenBefore, papers: Papers, ledger: LedgerPolicy | null): Promise<string> {
  const octets = need(papers.get(BEFORE), BEFORE);
  require(sha256(octets) === seen.note, DigestMismatch, "moment.note-differs", seen.note, sha256(octets));
  const note = Note.parse(octets);
  const at = parseCheckpoint(note.text);
  const fits = at.origin === seen.origin && at.size === BigInt(seen.size) && toBase64(at.root) === seen.root;
  require(fits, Inconsistent, "moment.checkpoint-differs", [seen.origin, seen.size, seen.root], [at.origin, at.size, toBase64(at.root)]);
  if (ledger === null) throw new UnknownKey("trust.no-ledger", "a ledger key to believe", "none given");
  const signers = (await note.requireSigned(ledger.logs)).map((one) => one.name);
  require(signers.includes(at.origin), UnknownKey, "note.unknown-key", at.origin, signers);
  const cosigned = await requireQuorum(ledger, note);
  return cosigned.map((one) => `${one.witness.key.name}: ${instant.encode(one.attestedAt)}`).join("; ") || `${at.origin}: ${at.size}`;
}

function inOrder(times: [string, instant.Instant | null][], apart: bigint): string {
  const known = times.map(([name, at]) => [name, need(at, `the time of ${name}`)] as const);
  known.slice(1).forEach(([then, after], at) => {
    const [name, before] = known[at]!;
    require(after + apart >= before, Inconsistent, "moment.order-differs", `${then} at or after ${instant.encode(before)} (${name})`, instant.encode(after));
  });
  return known.map(([name, at]) => `${name}: ${instant.encode(at)}`).join("; ");
}
