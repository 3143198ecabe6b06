// Signed notes and checkpoints: c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature. As
// guzheng.proof.note. Ed25519 is the browser's; SM2 is ours; ML-DSA-44, which no browser has yet,
// is @noble/post-quantum's.

import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";

import { hashOf } from "./digest";
import { BadSignature, Malformed, ProofError, UnknownKey, require } from "./errors";
import type { Instant } from "./instant";
import { concat, fromBase64, hex, latin1, numberOf, octetsOf, same, textOf, toBase64, utf8, type Bytes } from "./octets";
import * as signatures from "./signatures";
import * as sm2 from "./sm2";
import { HASH_SIZE, MAX_SIZE, emptyRoot } from "./tree";

export const ED25519 = 0x01, COSIGNATURE = 0x04, ML_DSA_44 = 0x06, SM2 = 0xff;
const TIMED = [COSIGNATURE, ML_DSA_44];
const SM2_LABEL = utf8("guzheng/sm2-with-sm3/v1");
const SIZES: Record<number, number> = { [ED25519]: 32, [COSIGNATURE]: 32, [ML_DSA_44]: 1312, [SM2]: SM2_LABEL.length + 65 };
export const MAX_OCTETS = 1 << 20;
const MAX_SIGNATURES = 100;
const KEY_ID_SIZE = 4;
export const LAST_SECOND = 253_402_300_799n;
const DASH = "\u2014 ";
const KEY_NAME = /^[^\p{White_Space}+\x00-\x1f\p{Surrogate}]+$/u;

export class VerifierKey {
  constructor(readonly name: string, readonly type: number, readonly key: Bytes) {
    requireKeyName(name);
    const labelled = type !== SM2 || same(key.subarray(0, SM2_LABEL.length), SM2_LABEL);
    require(SIZES[type] === key.length && labelled, Malformed, "note.key-type", "a key for Ed25519 (type 1 or 4), ML-DSA-44 (6) or SM2 (255 and its label)", `type ${type} and ${key.length} octets`);
  }

  static parse(text: string): VerifierKey {
    const plus = text.indexOf("+");
    const rest = plus < 0 ? "" : text.slice(plus + 1);
    const second = rest.indexOf("+");
    const octets = fromBase64(second < 0 ? "" : rest.slice(second + 1), "note.key");
    const key = new VerifierKey(plus < 0 ? text : text.slice(0, plus), octets[0] ?? 0, octets.slice(1));
    require(String(key) === text, Malformed, "note.key", key, text.slice(0, 200));
    return key;
  }

  get id(): Bytes {
    const named = concat(utf8(`${this.name}\n`), new Uint8Array([this.type]), this.key);
    return hashOf("sha256", named).slice(0, KEY_ID_SIZE);
  }

  toString(): string {
    return `${this.name}+${hex(this.id)}+${toBase64(concat(new Uint8Array([this.type]), this.key))}`;
  }

  private messageOf(text: Bytes, seconds: bigint): Bytes {
    if (this.type === COSIGNATURE) return concat(utf8(`cosignature/v1\ntime ${seconds}\n`), text);
    if (this.type !== ML_DSA_44) return text;
    const at = parseCheckpoint(text); // its extension lines would not be signed
    require(!at.extensions.length, Malformed, "checkpoint.extensions", "none", at.extensions);
    const end = octetsOf(at.size, 8);
    return concat(utf8("subtree/v1\n\0"), counted(this.name), octetsOf(seconds, 8), counted(at.origin), new Uint8Array(8), end, at.root);
  }

  /** The time that the signature states; null where it states none. */
  async requireSigned(text: Bytes, signature: Bytes): Promise<Instant | null> {
    const timed = TIMED.includes(this.type);
    const seconds = timed ? numberOf(signature.subarray(0, 8)) : 0n;
    const own = timed ? signature.slice(8) : signature;
    const message = this.messageOf(text, seconds);
    const fits = seconds <= LAST_SECOND && (await this.fits(message, own));
    require(fits, BadSignature, "note.bad-signature", `a signature of ${this.name} over this text`, "one that does not fit");
    return seconds ? seconds * 1_000_000n : null;
  }

  private async fits(message: Bytes, signature: Bytes): Promise<boolean> {
    if (this.type === ML_DSA_44) return fitsMlDsa(this.key, message, signature);
    if (this.type !== SM2) return signatures.ed25519(this.key, signature, message);
    try {
      sm2.requireSignature(this.key.slice(SM2_LABEL.length), message, signature);
      return true;
    } catch (error) {
      if (error instanceof ProofError) return false;
      throw error;
    }
  }
}

function fitsMlDsa(key: Bytes, message: Bytes, signature: Bytes): boolean {
  try {
    return ml_dsa44.verify(signature, message, key);
  } catch {
    return false; // of another length: it fits nothing
  }
}

/** `opaque <1..255>` of RFC 8446 §3. */
function counted(text: string): Bytes {
  const octets = utf8(text);
  require(octets.length > 0 && octets.length < 256, Malformed, "checkpoint.malformed", "names of 1 to 255 octets under ML-DSA-44", octets.length);
  return concat(new Uint8Array([octets.length]), octets);
}

export interface Signature {
  readonly name: string;
  readonly keyId: Bytes;
  readonly octets: Bytes;
}

export class Note {
  constructor(readonly text: Bytes, readonly signatures: readonly Signature[]) {}

  static parse(octets: Bytes): Note {
    require(octets.length <= MAX_OCTETS, Malformed, "note.malformed", `at most ${MAX_OCTETS} octets`, octets.length);
    require(!octets.some((one) => one < 0x20 && one !== 0x0a), Malformed, "note.malformed", "no control character but newline", "one");
    // The last empty line parts text and signatures: no signature line can be empty.
    const at = latin1(octets).lastIndexOf("\n\n");
    require(at >= 0 && octets[octets.length - 1] === 0x0a && at + 2 < octets.length, Malformed, "note.malformed", "text, an empty line, signature lines", "something else");
    const head = octets.slice(0, at);
    const tail = textOf(octets.slice(at + 2, -1));
    if (textOf(head) === null || tail === null) throw new Malformed("note.malformed", "UTF-8", "other octets");
    const lines = tail.split("\n");
    require(lines.length <= MAX_SIGNATURES, Malformed, "note.malformed", `at most ${MAX_SIGNATURES} signatures`, lines.length);
    return new Note(concat(head, utf8("\n")), lines.map(signatureOf));
  }

  /** Who, of the keys given, signed this text, and the time that each stated. */
  async findSigned(keys: Iterable<VerifierKey>): Promise<Map<string, { key: VerifierKey; at: Instant | null }>> {
    const known = new Map([...keys].map((key) => [`${key.name} ${hex(key.id)}`, key] as const));
    const signers = new Map<string, { key: VerifierKey; at: Instant | null }>();
    for (const signature of this.signatures) {
      const key = known.get(`${signature.name} ${hex(signature.keyId)}`);
      if (key === undefined) continue; // both name and id; anything else is not for us to judge
      const at = await key.requireSigned(this.text, signature.octets);
      if (!signers.has(String(key))) signers.set(String(key), { key, at });
    }
    return signers;
  }

  async requireSigned(keys: Iterable<VerifierKey>): Promise<VerifierKey[]> {
    const known = [...keys];
    const signers = [...(await this.findSigned(known)).values()].map((one) => one.key);
    const expected = known.map((key) => key.name).join(" or ") || "no key at all";
    require(signers.length > 0, UnknownKey, "note.unknown-key", expected, this.signatures.map((one) => one.name));
    return signers;
  }
}

function signatureOf(line: string): Signature {
  const body = line.startsWith(DASH) ? line.slice(DASH.length) : line;
  const space = body.indexOf(" ");
  require(line.startsWith(DASH) && space >= 0, Malformed, "note.malformed", "an em dash, a name and base64 in a signature line", line.slice(0, 80));
  const name = body.slice(0, space);
  requireKeyName(name);
  const octets = fromBase64(body.slice(space + 1), "note.malformed");
  require(octets.length > KEY_ID_SIZE, Malformed, "note.malformed", "a key id and a signature", `${octets.length} octets`);
  return { name, keyId: octets.slice(0, KEY_ID_SIZE), octets: octets.slice(KEY_ID_SIZE) };
}

function requireKeyName(name: string): void {
  require(KEY_NAME.test(name), Malformed, "note.malformed", "a key name without spaces and '+'", name.slice(0, 80));
}

// ---- checkpoints -----------------------------------------------------------------------------

export interface Checkpoint {
  readonly origin: string;
  readonly size: bigint;
  readonly root: Bytes;
  readonly extensions: readonly string[];
  readonly encoded: Bytes;
}

export function parseCheckpoint(octets: Bytes): Checkpoint {
  const code = "checkpoint.malformed";
  const text = textOf(octets);
  if (text === null) throw new Malformed(code, "UTF-8", "other octets");
  const lines = text.split("\n");
  require(lines.length >= 4 && lines.pop() === "", Malformed, code, "origin, size and root, each with its newline", "less");
  const [origin, digits, encodedRoot, ...extensions] = lines as [string, string, string, ...string[]];
  require(/^(0|[1-9][0-9]{0,18})$/.test(digits), Malformed, code, "a decimal size without leading zeros", digits.slice(0, 40));
  const [size, root] = [BigInt(digits), fromBase64(encodedRoot, code)];
  const whole = [origin, ...extensions].every((line) => line !== "" && !/[\x00-\x1f]/.test(line));
  require(whole, Malformed, code, "lines that are not empty", "an empty or broken line");
  require(size <= MAX_SIZE && root.length === HASH_SIZE, Malformed, code, "a size and a root of 32 octets", `size ${size}`);
  require(size !== 0n || same(root, emptyRoot()), Malformed, code, "the root of the empty tree", root);
  return { origin, size, root, extensions, encoded: octets };
}
