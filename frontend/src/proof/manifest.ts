// What was received: the paper that names every octet of an exhibit. As guzheng.proof.manifest.

import kernel from "../kernel.json";
import { parse as parseJson, type Json, type JsonObject } from "./canonical";
import { hashOf, sha256, sm3 } from "./digest";
import { DigestMismatch, Malformed, require } from "./errors";
import { Fields } from "./fields";
import { encode as encodeInstant, type Instant } from "./instant";
import { concat, unhex, utf8, type Bytes } from "./octets";

const SCHEMA = "guzheng.manifest/1", POLICY = "guzheng.policy/1";
export const ATTEMPT = "web-attempt";
const CAPTURES = ["web", ATTEMPT];
const OF_ATTEMPTS: readonly string[] = kernel.attempt_items;
const KINDS: readonly string[] = kernel.kinds;
export const EXHIBIT_FORM = /^ex_[0-9A-HJKMNP-TV-Z]{26}$/;
const WINDOWS_DEVICES = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.[^\n]*)?$/i;

export function requireItemName(name: string): string {
  const reason = nameFault(name);
  require(!reason, Malformed, "item.name-refused", reason, name.slice(0, 120));
  return name;
}

function nameFault(name: string): string {
  if (!name || name === "." || name === "..") return "a file name";
  if (/\p{Surrogate}/u.test(name)) return "Unicode text";
  if (utf8(name).length > 240) return "at most 240 octets of UTF-8";
  if (/[<>:"/\\|?*]/.test(name)) return 'none of < > : " / \\ | ? *';
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(name)) return "no control, invisible or direction-changing characters";
  if (name !== name.trim() || name.endsWith(".")) return "no blank at either end and no dot at the end";
  return WINDOWS_DEVICES.test(name) ? "no device name of Windows" : "";
}

export interface Extent {
  readonly size: number;
  readonly digests: readonly string[];
}

export interface Item extends Extent {
  readonly name: string;
  readonly role: string;
  readonly mediaType: string;
}

export function readItem(value: Json): Item {
  const fields = new Fields(value, "manifest.items");
  const name = requireItemName(fields.text("name"));
  const role = fields.oneOf("role", ["original", "derivative"]);
  const mediaType = fields.text("media_type", 200);
  const size = fields.count("size");
  const digests = fields.digests();
  fields.end();
  return { name, role, mediaType, size, digests };
}

export const itemValue = (item: Item): Json => ({ name: item.name, role: item.role, media_type: item.mediaType, size: item.size, digests: [...item.digests] });

function readExtent(value: Json): Extent {
  const fields = new Fields(value, "manifest.capture");
  const extent = { size: fields.count("size"), digests: fields.digests() };
  fields.end();
  return extent;
}

export function requireExtent(extent: Extent, octets: Bytes, subject: string): void {
  const found = [sha256(octets), sm3(octets)];
  const same = extent.size === octets.length && extent.digests.length === 2 && extent.digests.every((one, at) => one === found[at]);
  require(same, DigestMismatch, "paper.digest-differs", extent.digests[0], `${found[0]!} (${subject})`);
}

export interface SeenCheckpoint {
  readonly origin: string;
  readonly size: number;
}

function readSeen(value: Json): SeenCheckpoint {
  const fields = new Fields(value, "manifest.seen_checkpoint");
  const seen = { origin: fields.text("origin", 255), size: fields.count("size"), root: fields.base64("root", 32) };
  fields.end();
  return seen;
}

/** The real name of the account that asked, as its members stood: they are printed as they are. */
function readApplicant(value: Json): JsonObject {
  const fields = new Fields(value, "manifest.attested_applicant");
  const held: Record<string, string | null> = {
    name: fields.text("name", 1000),
    kind: fields.oneOf("kind", kernel.applicants),
    means: fields.oneOf("means", kernel.means),
    attested_at: encodeInstant(fields.instant("attested_at")),
    attested_by: fields.textOrNull("attested_by", 1000),
    uscc: fields.textOrNull("uscc", 18),
  };
  fields.end();
  return Object.fromEntries(Object.entries(held).filter(([, one]) => one !== null)) as JsonObject;
}

export interface Manifest {
  readonly exhibit: string;
  readonly kind: string;
  readonly claimedName: string;
  readonly observedAt: Instant;
  readonly items: readonly Item[];
  readonly salt: Bytes;
  readonly claimedApplicant: string | null;
  readonly claimedPurpose: string | null;
  readonly attestedApplicant: JsonObject | null;
  readonly capture: Extent | null;
  readonly seenCheckpoint: SeenCheckpoint | null;
}

export function parse(octets: Bytes): Manifest {
  const fields = new Fields(parseJson(octets), "manifest");
  fields.oneOf("schema", [SCHEMA]);
  const manifest: Manifest = {
    exhibit: requireExhibitName(fields.text("exhibit", 64)),
    kind: fields.oneOf("kind", KINDS),
    claimedName: fields.text("claimed_name", 1000),
    observedAt: fields.instant("observed_at"),
    items: fields.items("items", 1000).map(readItem),
    salt: fields.octets("salt", 32),
    claimedApplicant: fields.textOrNull("claimed_applicant", 1000),
    claimedPurpose: fields.textOrNull("claimed_purpose", 1000),
    attestedApplicant: fields.optional("attested_applicant", readApplicant),
    capture: fields.optional("capture", readExtent),
    seenCheckpoint: fields.optional("seen_checkpoint", readSeen),
  };
  fields.oneOf("policy", [POLICY]);
  fields.end();
  const { kind, items, capture } = manifest;
  const names = new Set(items.map((one) => folded(one.name)));
  const some = kind === ATTEMPT ? items.every((one) => OF_ATTEMPTS.includes(one.name)) : items.length > 0;
  require(names.size === items.length && some, Malformed, "manifest.items", "items whose names differ in more than case; of a failed capture, of the wire", items.length);
  require(CAPTURES.includes(kind) === (capture !== null), Malformed, "manifest.capture", "a capture record for a web capture, else none", kind);
  return manifest;
}

/** As Unicode folds case: ß and SS, ς and Σ are one. */
const folded = (name: string): string => name.normalize("NFC").toLowerCase().toUpperCase().toLowerCase();

export function requireExhibitName(name: string): string {
  require(EXHIBIT_FORM.test(name), Malformed, "exhibit.name-malformed", "ex_ and 26 of Crockford's base 32", name.slice(0, 40));
  return name;
}

/** The entry of the ledger, 48 octets: docs/spec/leaf.md. */
export function leafOf(manifestJson: Bytes, seal: Bytes): Bytes {
  const { salt } = parse(manifestJson);
  const digests = [sha256(manifestJson), sm3(manifestJson), sha256(seal)].map((one) => unhex(one.split(":")[1]!)!);
  return concat(utf8("guzheng/leaf/v1\n"), hashOf("sha256", concat(utf8("guzheng/commitment/v1\n"), salt, ...digests)));
}
