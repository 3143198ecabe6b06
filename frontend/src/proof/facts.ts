// What the certificate says, derived again from the other papers: guzheng.proof.certificate.

import kernel from "../kernel.json";
import { encode as encodeJson, parse as parseJson, type Json, type JsonObject } from "./canonical";
import type { CaptureRecord } from "./capture";
import { sha256, sm3 } from "./digest";
import { Fields, objectOf } from "./fields";
import * as instant from "./instant";
import * as manifestPaper from "./manifest";
import { LAST_SECOND, parseCheckpoint, type Note } from "./note";
import { numberOf, sorted, toBase64, unhex, type Bytes } from "./octets";
import type { TimestampToken } from "./timestamp";
import type { TlogProof } from "./tlogproof";
import type { Certificate } from "./x509";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const MOMENT_PAPERS = ["opening", "transcript", "closing"].map((one) => `moments/${one}.tsa`);
const CAPTURE: readonly string[] = kernel.certificate_capture;

export type Sound = readonly [TimestampToken, Certificate];

export interface Moments {
  readonly stamps: ReadonlyMap<string, Sound>;
  readonly before: Note | null;
  readonly witnesses: readonly string[];
}

function numberOfCertificate(manifestDigest: string, token: TimestampToken): string {
  const bits = numberOf(unhex(manifestDigest.slice(7, 21))!) >> 6n;
  let letters = "";
  for (let place = 9n; place >= 0n; place--) letters += ALPHABET[Number((bits >> (5n * place)) & 31n)]!;
  return `GZ-${instant.beijing(token.attestedAt).slice(0, 10).replaceAll("-", "")}-${letters}`;
}

export function derive(
  manifestJson: Bytes, capture: CaptureRecord | null, seal: Sound, entry: TlogProof, witnesses: readonly string[],
  further: ReadonlyMap<string, Sound>, moments: Moments,
): JsonObject {
  const manifest = manifestPaper.parse(manifestJson);
  const facts: JsonObject = {
    schema: "guzheng.certificate/1",
    number: numberOfCertificate(sha256(manifestJson), seal[0]),
    exhibit: manifest.exhibit,
    kind: manifest.kind,
    claimed_name: manifest.claimedName,
    observed_at: instant.encode(manifest.observedAt),
    items: manifest.items.map(manifestPaper.itemValue),
    manifest_digests: [sha256(manifestJson), sm3(manifestJson)],
    seal: sealOf(seal),
    entry: entryOf(entry, witnesses),
  };
  if (further.size) facts["further_seals"] = sorted(further.keys()).map((name) => ({ paper: name, ...sealOf(further.get(name)!) }));
  if (manifest.claimedApplicant !== null) facts["claimed_applicant"] = manifest.claimedApplicant;
  if (manifest.attestedApplicant !== null) facts["attested_applicant"] = manifest.attestedApplicant;
  if (manifest.claimedPurpose !== null) facts["claimed_purpose"] = manifest.claimedPurpose;
  if (capture !== null) facts["capture"] = captureOf(capture);
  if (moments.stamps.size) {
    facts["moments"] = MOMENT_PAPERS.filter((one) => moments.stamps.has(one)).map((one) => ({ paper: one, ...sealOf(moments.stamps.get(one)!) }));
  }
  if (moments.before !== null && moments.witnesses.length) facts["not_before"] = lowerBound(moments.before, moments.witnesses);
  return facts;
}

function lowerBound(note: Note, witnesses: readonly string[]): JsonObject {
  const times = witnesses.map((name) => [name, cosignedAt(note, name)] as const);
  const at = parseCheckpoint(note.text);
  return {
    at: instant.encode(times.reduce((least, [, time]) => (time < least ? time : least), times[0]![1])),
    contained_in: "record",
    source: `${at.origin} ${at.size}`,
    witnesses: times.map(([name, time]) => ({ name, attested_at: instant.encode(time) })),
  };
}

function captureOf(record: CaptureRecord): JsonObject {
  const viewer = "viewer" in record.fields ? objectOf(record.fields["viewer"]) : { browser: "", sandbox: "" };
  const held: JsonObject = { ...record.fields, browser: viewer["browser"]!, sandbox: viewer["sandbox"]! };
  if (record.failed) held["attempted"] = attempted(record);
  if ("completeness" in held) {
    const figure = objectOf(held["completeness"]);
    held["completeness"] = { ...figure, missing: (figure["missing"] as Json[]).slice(0, kernel.most_missing) };
  }
  return Object.fromEntries(CAPTURE.filter((name) => name in held).map((name) => [name, held[name]!]));
}

function attempted(record: CaptureRecord): Json[] {
  const told = ["host", "port", "outcome", "answers", "peer", "because"];
  const own = (record.fields["connections"] as JsonObject[]).filter((one) => one["kind"] === "page");
  return own.slice(0, kernel.most_attempted).map((one) => Object.fromEntries(told.map((name) => [name, one[name]!])));
}

function sealOf([token, authority]: Sound): JsonObject {
  const seal: JsonObject = {
    attested_at: instant.encode(token.attestedAt),
    authority: authority.subject.text,
    policy: token.policy,
    serial: token.serial.toString(16),
  };
  // Rounded up: a stated accuracy may be worse than the truth, never better.
  if (token.accuracy !== null) seal["accuracy_milliseconds"] = Number((token.accuracy + 999n) / 1000n);
  return seal;
}

function entryOf(entry: TlogProof, witnesses: readonly string[]): JsonObject {
  const { origin, size, root } = entry.checkpoint;
  return {
    origin,
    index: Number(entry.index),
    size: Number(size),
    root: toBase64(root),
    witnesses: witnesses.map((name) => ({ name, attested_at: instant.encode(cosignedAt(entry.note, name)) })),
  };
}

/** The time that stands in the cosignature; of several, the latest. */
function cosignedAt(note: Note, name: string): instant.Instant {
  let latest = 0n;
  for (const one of note.signatures) {
    const seconds = numberOf(one.octets.slice(0, 8));
    if (one.name === name && seconds > latest) latest = seconds;
  }
  return (latest < LAST_SECOND ? latest : LAST_SECOND) * 1_000_000n;
}

export const encode = (facts: JsonObject): Bytes => encodeJson(facts);

/** The witnesses on whom a certificate's «not before» rests. */
export function boundedBy(factsJson: Bytes): string[] {
  const facts = new Fields(parseJson(factsJson), "certificate");
  if (!facts.has("not_before")) return [];
  const bound = new Fields(facts.take("not_before"), "certificate.not_before");
  return bound.items("witnesses", 64).map((one) => new Fields(one, "certificate.not_before").text("name"));
}

/** The witnesses and the further seals that a certificate names. */
export function namesIn(factsJson: Bytes): [string[], string[]] {
  const facts = new Fields(parseJson(factsJson), "certificate");
  const further = facts.has("further_seals") ? facts.items("further_seals", 64) : [];
  const listed = new Fields(facts.take("entry"), "certificate.entry").items("witnesses", 64);
  const named = listed.map((one) => new Fields(one, "certificate.entry.witnesses").text("name"));
  return [named, further.map((one) => new Fields(one, "certificate.further_seals").text("paper"))];
}
