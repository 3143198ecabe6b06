// The court package: which members it has, their listing, and the one form of its zip. As
// guzheng.proof.package; what both must agree on is exported to kernel.json.

import kernel from "../kernel.json";
import { DigestMismatch, Malformed, Refuted, require } from "./errors";
import { EXHIBIT_FORM, requireItemName, type Manifest } from "./manifest";
import { concat, same, sorted, textOf, utf8, type Bytes } from "./octets";

export const LISTING = "SHA256SUMS", ROOTS = "trust/roots.pem", LEDGER_POLICY = "trust/ledger.policy";
export const OUTER: readonly string[] = kernel.outer;
export const DOCUMENTS: readonly string[] = kernel.documents;
export const EXHIBITS = "exhibits/";
export const MANIFEST = "manifest.json", CAPTURE = "capture.json", SEAL = "seal.tsa", LEAF = "leaf";
export const SEAL_SM2 = "seal.sm2.tsa", ENTRY = "entry.tlog-proof";
export const CERTIFICATE_JSON = "certificate.json", CERTIFICATE_PDF = "certificate.pdf";
export const ITEMS = "items/", TOKENS = "tokens/", ANCHORS = "anchors/", RENEWALS = "renewals/", MOMENTS = "moments/";
export const ANCHORED = "anchors/checkpoint.tlog-proof";
export const { max_members: MAX_MEMBERS, max_paper: MAX_PAPER, max_papers: MAX_PAPERS } = kernel;
const OPTIONAL = new RegExp(`^(?:${kernel.optional})$`);

export interface Observed {
  readonly size: number;
  readonly sha256: string;
  readonly sm3: string | null;
  readonly sha512: Bytes | null;
}

export type Papers = ReadonlyMap<string, Bytes>;
export type Members = ReadonlyMap<string, Observed>;

export const isPaper = (name: string): boolean => !name.includes(ITEMS);
export const isOptional = (name: string): boolean => OPTIONAL.test(name);

/** Every member that an exhibit with this manifest must have. */
export function papersOf(manifest: Manifest): string[] {
  const kept = manifest.kind === "hash-only" ? [] : manifest.items.map((one) => ITEMS + one.name);
  const capture = manifest.capture ? [CAPTURE] : [];
  const tokens = manifest.items.filter((one) => one.role === "original").map((one) => `${TOKENS}${one.name}.tsa`);
  return [...kept, ...capture, MANIFEST, ...tokens, SEAL, LEAF, ENTRY, CERTIFICATE_JSON, CERTIFICATE_PDF];
}

export function sealsOf(names: Iterable<string>): string[] {
  return [SEAL, ...sorted([...names].filter((one) => isOptional(one) && one.startsWith("seal.")))];
}

export function exhibitsIn(names: Iterable<string>): string[] {
  const parts = [...names].filter((one) => one.startsWith(EXHIBITS)).map((one) => one.split("/"));
  return sorted(new Set(parts.filter((one) => one.length > 2 && EXHIBIT_FORM.test(one[1]!)).map((one) => one[1]!)));
}

export function requireMemberName(name: string): string {
  name.split("/").forEach(requireItemName);
  return name;
}

export function parseListing(octets: Bytes): Map<string, string> {
  const code = "package.listing-malformed";
  const text = textOf(octets);
  if (text === null) throw new Malformed(code, "UTF-8", "other octets");
  const listing = new Map<string, string>();
  for (const line of text.split("\n").slice(0, -1)) {
    const form = /^([0-9a-f]{64}) {2}([^\n]+)$/.exec(line);
    if (form === null) throw new Malformed(code, "<sha256>  <name>", line.slice(0, 80));
    listing.set(requireMemberName(form[2]!), `sha256:${form[1]!}`);
  }
  const again = sorted(listing.keys()).map((name) => `${listing.get(name)!.slice(7)}  ${name}\n`).join("");
  require(same(utf8(again), octets), Malformed, code, "sorted lines, each once", "another order");
  return listing;
}

/** What a disc's label shows: over the lines of the exhibits alone (package.evidence_digest). */
export function evidenceLines(listing: ReadonlyMap<string, string>): Bytes {
  const own = sorted(listing.keys()).filter((name) => name.startsWith(EXHIBITS));
  return utf8(own.map((name) => `${listing.get(name)!.slice(7)}  ${name}\n`).join(""));
}

/** Exactly the wanted members: none missing, none extra. */
export function requireMembers(wanted: Iterable<string>, found: Iterable<string>): void {
  const [names, held] = [new Set(wanted), new Set(found)];
  const missing = sorted([...names].filter((one) => !held.has(one)))[0];
  if (missing !== undefined) throw new Refuted("package.member-missing", missing, "no such member");
  const extra = sorted([...held].filter((one) => !names.has(one)))[0];
  if (extra !== undefined) throw new Refuted("package.member-extra", "only the members named", extra);
}

export function requireListed(name: string, wanted: string, found: Observed): void {
  require(found.sha256 === wanted, DigestMismatch, "package.member-altered", wanted, `${found.sha256} (${name})`);
}

// ---- the zip container: APPNOTE 6.3.10, method 0, UTF-8 names, zip64 where it must be --------

const LIMIT = 0xffffffff;

export interface ZipMember {
  readonly name: string;
  readonly size: number;
  readonly crc: number;
}

/** Little-endian numbers: [octets, value] … */
function packed(...parts: [number, number][]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(whole.buffer);
  let at = 0;
  for (const [size, value] of parts) {
    if (size === 2) view.setUint16(at, value, true);
    else if (size === 4) view.setUint32(at, value, true);
    else view.setBigUint64(at, BigInt(value), true);
    at += size;
  }
  return whole;
}

export function localHeader(member: ZipMember): Bytes {
  const name = utf8(member.name);
  const large = member.size >= LIMIT;
  const extra = large ? packed([2, 1], [2, 16], [8, member.size], [8, member.size]) : new Uint8Array(0);
  const size = large ? LIMIT : member.size;
  return concat(packed([4, 0x04034b50], [2, large ? 45 : 20], [2, 0x800], [2, 0], [2, 0], [2, 0x21], [4, member.crc], [4, size], [4, size], [2, name.length], [2, extra.length]), name, extra);
}

export function directoryOf(members: readonly ZipMember[]): Bytes {
  const entries: Bytes[] = [];
  let at = 0;
  for (const member of members) {
    entries.push(centralEntry(member, at));
    at += localHeader(member).length + member.size;
  }
  let directory = concat(...entries);
  const [size, count] = [directory.length, members.length];
  if (at >= LIMIT || count >= 0xffff) {
    const end64 = packed([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, count], [8, count], [8, size], [8, at]);
    directory = concat(directory, end64, packed([4, 0x07064b50], [4, 0], [8, at + size], [4, 1]));
  }
  const short = Math.min(count, 0xffff);
  return concat(directory, packed([4, 0x06054b50], [2, 0], [2, 0], [2, short], [2, short], [4, Math.min(size, LIMIT)], [4, Math.min(at, LIMIT)], [2, 0]));
}

function centralEntry(member: ZipMember, at: number): Bytes {
  const name = utf8(member.name);
  const large = member.size >= LIMIT;
  const wide = concat(large ? packed([8, member.size], [8, member.size]) : new Uint8Array(0), at >= LIMIT ? packed([8, at]) : new Uint8Array(0));
  const extra = wide.length ? concat(packed([2, 1], [2, wide.length]), wide) : wide;
  const size = large ? LIMIT : member.size;
  const needed = wide.length ? 45 : 20;
  return concat(
    packed([4, 0x02014b50], [2, (3 << 8) | needed], [2, needed], [2, 0x800], [2, 0], [2, 0], [2, 0x21], [4, member.crc], [4, size], [4, size], [2, name.length], [2, extra.length], [2, 0], [2, 0], [2, 0], [4, 0o100644 * 65536], [4, Math.min(at, LIMIT)]),
    name, extra,
  );
}

