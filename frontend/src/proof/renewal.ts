// Evidence records (RFC 4998): why an old timestamp is still to be believed. guzheng.proof.renewal.

import * as cms from "./cms";
import * as der from "./der";
import { hashOf, sizeOf } from "./digest";
import { DigestMismatch, Inconsistent, Malformed, Refuted, require } from "./errors";
import type { Instant } from "./instant";
import { MANIFEST, RENEWALS, papersOf, type Members, type Papers } from "./layout";
import * as manifestPaper from "./manifest";
import { compare, concat, hex, octetsOf, same, unhex, type Bytes } from "./octets";
import { need } from "./steps";
import * as timestamp from "./timestamp";
import type { Certificate } from "./x509";

const HASHES = ["sha256", "sha512"];
const MOST = 4096;

interface Stamp {
  readonly lists: readonly (readonly Bytes[])[];
  readonly token: timestamp.TimestampToken;
  readonly tokenDer: Bytes;
}

interface Chain {
  readonly hashName: string;
  readonly stamps: readonly Stamp[];
  readonly encoded: Bytes;
}

export interface EvidenceRecord {
  readonly chains: readonly Chain[];
  readonly stamps: readonly Stamp[];
}

interface Group {
  readonly required: Set<string>;
  readonly held: Set<string>;
}

export function parse(octets: Bytes): EvidenceRecord {
  form(octets.length <= 4 << 20, "at most 4194304 octets", octets.length);
  const reader = der.parse(octets, der.SEQUENCE, "EvidenceRecord").reader("EvidenceRecord");
  const version = der.integer(reader.take(der.INTEGER));
  const announced = reader.take(der.SEQUENCE).reader("digestAlgorithms").all(der.SEQUENCE);
  const sequence = reader.take(der.SEQUENCE).reader("ArchiveTimeStampSequence").all(der.SEQUENCE);
  reader.end();
  const chains = bounded(sequence, "chains").map(chainOf);
  const names = [...new Set(chains.map((one) => one.hashName))];
  form(version === 1n, "version 1", version);
  form(announced.map(hashName).join() === names.join(), `${names.join()} announced`, "others");
  return { chains, stamps: chains.flatMap((one) => one.stamps) };
}

function chainOf(element: der.Element): Chain {
  const read = bounded(element.reader("ArchiveTimeStampChain").all(der.SEQUENCE), "stamps").map(stampOf);
  const names = new Set(read.map(([name]) => name));
  form(names.size === 1, "one hash algorithm in a chain (§5.3, step 2)", [...names]);
  return { hashName: read[0]![0], stamps: read.map(([, stamp]) => stamp), encoded: element.encoded };
}

function stampOf(element: der.Element): [string, Stamp] {
  const reader = element.reader("ArchiveTimeStamp");
  const algorithm = reader.optional(der.context(0));
  const tree = reader.optional(der.context(2));
  const tokenDer = reader.take(der.SEQUENCE).encoded;
  reader.end();
  const token = timestamp.parse(tokenDer);
  const name = algorithm ? hashName(new der.Element(der.SEQUENCE, algorithm.content, algorithm.encoded)) : token.imprintName;
  form(HASHES.includes(name), HASHES.join(" or "), name);
  const found = tree ? bounded(tree.reader("reducedHashtree").all(der.SEQUENCE), "lists") : [];
  const lists = found.map((one) => hashesOf(one, name));
  form(!lists.length || lists[0]!.length > 1, "a first list of two hashes or more", "one");
  return [name, { lists, token, tokenDer }];
}

function hashesOf(element: der.Element, name: string): Bytes[] {
  const hashes = bounded(element.reader("PartialHashtree").all(der.OCTET_STRING), "hashes").map((one) => one.content);
  form(hashes.every((one) => one.length === sizeOf(name)), `hashes of ${name}`, "others");
  form(hashes.every((one, at) => at === 0 || compare(hashes[at - 1]!, one) < 0), "ascending hashes", "others");
  return hashes;
}

function hashName(algorithm: der.Element): string {
  const name = cms.digestName(algorithm);
  form(HASHES.includes(name), HASHES.join(" or "), name);
  return name;
}

function bounded(found: der.Element[], what: string): der.Element[] {
  form(found.length > 0 && found.length <= MOST, `1 to ${MOST} ${what}`, found.length);
  return found;
}

function form(holds: boolean, expected: string, found: unknown): void {
  require(holds, Malformed, "renewal.malformed", expected, found);
}

// ---- checking --------------------------------------------------------------------------------

export function groupOf(papers: Papers, observed: Members, name: string): Group {
  const manifest = manifestPaper.parse(need(papers.get(MANIFEST), MANIFEST));
  const hashes = new Map<string, string>();
  for (const [member, seen] of observed) {
    if (member.startsWith(RENEWALS)) continue;
    const octets = papers.get(member);
    if (octets !== undefined) hashes.set(member, hex(hashOf(name, octets)));
    else if (name === "sha256") hashes.set(member, seen.sha256.slice(7));
    else hashes.set(member, hex(need(seen.sha512, `${name} of ${member}`)));
  }
  const required = papersOf(manifest).map((one) => need(hashes.get(one), one));
  return { required: new Set(required), held: new Set(hashes.values()) };
}

export function requireCovered(record: EvidenceRecord, groupUnder: (name: string) => Group): void {
  record.chains.forEach((chain, number) => {
    const name = chain.hashName;
    let group = groupUnder(name);
    if (number) {
      const before = hashOf(name, sequenceOf(record.chains.slice(0, number).map((one) => one.encoded)));
      const again = (one: string): string => hex(hashOf(name, concat(unhex(one)!, before)));
      group = { required: new Set([...group.required].map(again)), held: new Set([...group.held].map(again)) };
    }
    const first = chain.stamps[0]!;
    const covered = new Set((first.lists[0] ?? []).map(hex));
    const missing = [...group.required].filter((one) => !covered.has(one)).length;
    const strange = [...covered].filter((one) => !group.held.has(one)).length;
    require(!missing && !strange, DigestMismatch, "renewal.group-differs", "this exhibit's members", `${missing} missing, ${strange} others`);
    requireLeads(first, name, new Uint8Array(0));
    chain.stamps.slice(1).forEach((next, at) => {
      const hashed = hashOf(name, chain.stamps[at]!.tokenDer);
      const held = !next.lists.length || next.lists[0]!.some((one) => same(one, hashed));
      require(held, DigestMismatch, "renewal.not-continued", hashed, "other hashes");
      requireLeads(next, name, hashed);
    });
  });
}

function requireLeads(stamp: Stamp, name: string, begins: Bytes): void {
  let value = begins;
  stamp.lists.forEach((hashes, number) => {
    const all = new Map([...hashes, ...(number ? [value] : [])].map((one) => [hex(one), one]));
    value = hashOf(name, concat(...[...all.values()].sort(compare)));
  });
  timestamp.requireImprint(stamp.token, value, name);
}

/** Each stamp is its authority's, and was made before what it covers ended: §5.3. */
export async function requireInTime(record: EvidenceRecord, roots: readonly Certificate[], own: readonly Instant[]): Promise<{ since: Instant; until: Instant }> {
  const times = record.stamps.map((one) => one.token.attestedAt);
  const ends: Instant[] = [];
  for (const one of record.stamps) ends.push(await untilOf(one.token, roots));
  for (const until of own) requireBy(until, times[0]!);
  times.slice(1).forEach((later, at) => require(times[at]! < later, Inconsistent, "renewal.order", `after ${times[at]}`, later));
  times.slice(1).forEach((later, at) => requireBy(ends[at]!, later));
  return { since: times[0]!, until: ends[ends.length - 1]! };
}

function requireBy(until: Instant, stamped: Instant): void {
  require(stamped <= until, Refuted, "renewal.late", `a stamp by ${until}`, stamped);
}

export async function untilOf(token: timestamp.TimestampToken, roots: readonly Certificate[]): Promise<Instant> {
  const path = await timestamp.requireTrusted(token, await timestamp.requireSignature(token), roots);
  return path.map((one) => one.notAfter).reduce((least, one) => (one < least ? one : least));
}

export function requireContinues(newer: EvidenceRecord, older: EvidenceRecord): void {
  const begun = older.stamps.every((one, at) => {
    const other = newer.stamps[at];
    return other !== undefined && same(one.tokenDer, other.tokenDer) && JSON.stringify(one.lists.map((list) => list.map(hex))) === JSON.stringify(other.lists.map((list) => list.map(hex)));
  });
  require(begun && newer.stamps.length > older.stamps.length, Inconsistent, "renewal.not-continued", "the older, and more", "not");
}

function sequenceOf(parts: Bytes[]): Bytes {
  const content = concat(...parts);
  const width = Math.ceil(content.length.toString(2).length / 8);
  const length = octetsOf(BigInt(content.length), width);
  return concat(new Uint8Array([der.SEQUENCE]), content.length > 127 ? concat(new Uint8Array([0x80 | width]), length) : length, content);
}
