// X.509 certificates (RFC 5280 §4), read strictly from their octets: names, dates, key and
// extensions. What the Python kernel leaves to `cryptography` is spelt out here.

import * as der from "./der";
import { hashOf, sha256 } from "./digest";
import { Malformed, ProofError, require } from "./errors";
import * as instant from "./instant";
import { concat, hex, latin1, same, textOf, unhex, type Bytes } from "./octets";
import * as signatures from "./signatures";
import * as sm2 from "./sm2";

export type Key =
  | { kind: "rsa" | "ed25519" | "other"; spki: Bytes; raw: Bytes }
  | { kind: "ec"; spki: Bytes; raw: Bytes; curve: string }
  | { kind: "sm2"; spki: Bytes; raw: Bytes };

export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Bytes;
}

export interface Certificate {
  readonly encoded: Bytes;
  readonly print: string; // of the whole: two are the same when their octets are
  readonly tbs: Bytes;
  readonly serial: bigint;
  readonly signatureAlgorithm: Bytes; // as named outside, which must be as inside
  readonly innerAlgorithm: Bytes;
  readonly issuer: Name;
  readonly subject: Name;
  readonly notBefore: instant.Instant;
  readonly notAfter: instant.Instant;
  readonly key: Key;
  readonly extensions: readonly Extension[];
  readonly signature: Bytes;
}

export interface Name {
  readonly encoded: Bytes;
  readonly key: string; // equal for equal names, however their texts are encoded
  readonly text: string; // RFC 4514
}

const CODE = "chain.certificate-malformed";
const EC = "1.2.840.10045.2.1";
// Named curves, and other kinds of keys, that `cryptography` reads.
const OTHER_CURVES = new Set(["1.3.132.0.10", "1.2.840.10045.3.1.1", "1.3.132.0.33", "1.3.36.3.3.2.8.1.1.7", "1.3.36.3.3.2.8.1.1.11", "1.3.36.3.3.2.8.1.1.13"]);
const OTHER_KEYS = new Set(["1.3.101.113", "1.3.101.110", "1.3.101.111", "1.2.840.10040.4.1", "1.2.840.10046.2.1", "2.16.840.1.101.3.4.3.17", "2.16.840.1.101.3.4.3.18", "2.16.840.1.101.3.4.3.19"]);
const SM2_KEY = unhex("301306072a8648ce3d020106082a811ccf5501822d")!;

/** Not even the outline of a certificate: where a list of roots is read, that is the list's fault. */
class Shapeless extends Malformed {}

const remembered = new Map<string, Promise<Certificate>>();

/** A certificate whose names, dates, key and extensions can all be read. */
export function parse(encoded: Bytes): Promise<Certificate> {
  const print = sha256(encoded);
  let found = remembered.get(print);
  if (found === undefined) remembered.set(print, (found = read(encoded, print)));
  return found;
}

async function read(encoded: Bytes, print: string): Promise<Certificate> {
  const [tbs, algorithm, bits] = der.parse(encoded, der.SEQUENCE, "Certificate").parts("Certificate", der.SEQUENCE, der.SEQUENCE, der.BIT_STRING) as [der.Element, der.Element, der.Element];
  require(bits.content[0] === 0, Malformed, CODE, "a signature of whole octets", bits.content.subarray(0, 1));
  try {
    const reader = tbs.reader("TBSCertificate");
    const version = reader.optional(der.context(0));
    const edition = version ? der.integer(version.parts("version", der.INTEGER)[0]!) : 0n;
    require(edition >= 0n && edition <= 2n, Malformed, "der.malformed", "version 1 to 3", edition);
    const serial = der.integer(reader.take(der.INTEGER));
    const inner = reader.take(der.SEQUENCE);
    const issuer = nameOf(reader.take(der.SEQUENCE));
    const [notBefore, notAfter] = validity(reader.take(der.SEQUENCE));
    const subject = nameOf(reader.take(der.SEQUENCE));
    const spki = reader.take(der.SEQUENCE);
    spki.parts("SubjectPublicKeyInfo", der.SEQUENCE, der.BIT_STRING);
    const key = await inside(() => keyOf(spki));
    reader.optional(der.context(1, false));
    reader.optional(der.context(2, false));
    const extensions = extensionsOf(reader.optional(der.context(3)));
    await inside(() => extensions.forEach(readExtension));
    reader.end();
    return {
      encoded, print, tbs: tbs.encoded, serial, issuer, subject, notBefore, notAfter, key, extensions,
      signatureAlgorithm: algorithm.encoded, innerAlgorithm: inner.encoded, signature: bits.content.subarray(1),
    };
  } catch (error) {
    if (error instanceof ProofError && error.code.startsWith("der.")) throw new Shapeless(CODE, error.expected, error.found);
    throw error;
  }
}

/** What is read only when it is asked for: the certificate has its outline, and this is unreadable. */
async function inside<T>(read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof ProofError && error.code.startsWith("der.")) throw new Malformed(CODE, error.expected, error.found);
    throw error;
  }
}

function validity(element: der.Element): [instant.Instant, instant.Instant] {
  const reader = element.reader("Validity");
  const times = [timeOf(reader.take()), timeOf(reader.take())] as [instant.Instant, instant.Instant];
  reader.end();
  return times;
}

function timeOf(element: der.Element): instant.Instant {
  const general = element.tag === der.GENERALIZED_TIME;
  require(general || element.tag === der.UTC_TIME, Malformed, "der.malformed", "a time", element.tag);
  const digits = latin1(element.content);
  const form = /^(\d{2,4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits);
  if (!form || digits.length !== (general ? 15 : 13)) throw new Malformed("der.malformed", "a time in UTC", digits.slice(0, 20));
  const [year, month, day, hour, minute, second] = form.slice(1).map(Number) as [number, number, number, number, number, number];
  const at = instant.ofParts(general ? year : year < 50 ? 2000 + year : 1900 + year, month, day, hour, minute, second);
  if (at === null) throw new Malformed("der.malformed", "a real date", digits);
  return at;
}

async function keyOf(spki: der.Element): Promise<Key> {
  const [algorithm, bits] = spki.parts("SubjectPublicKeyInfo", der.SEQUENCE, der.BIT_STRING) as [der.Element, der.Element];
  const raw = bits.content.subarray(1);
  if (same(algorithm.encoded, SM2_KEY)) {
    require(bits.content[0] === 0, Malformed, "sm2.key", "a key of whole octets", bits.content.subarray(0, 1));
    sm2.pointOf(raw);
    return { kind: "sm2", spki: spki.encoded, raw };
  }
  require(bits.content[0] === 0, Malformed, CODE, "a key of whole octets", bits.content.subarray(0, 1));
  const reader = algorithm.reader("AlgorithmIdentifier");
  const named = der.oid(reader.take(der.OID));
  const held = { spki: spki.encoded, raw };
  if (named === "1.2.840.113549.1.1.1") {
    const [modulus, exponent] = der.parse(raw, der.SEQUENCE, "RSAPublicKey").reader("RSAPublicKey").all(der.INTEGER);
    require(modulus !== undefined && exponent !== undefined, Malformed, CODE, "modulus and exponent", "less");
    const fits = await signatures.readable(spki.encoded, { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" });
    require(fits, Malformed, CODE, "an RSA key", "another");
    return { kind: "rsa", ...held };
  }
  if (named === EC) {
    const curve = der.oid(reader.take(der.OID));
    const known = signatures.CURVES[curve];
    require(known !== undefined || OTHER_CURVES.has(curve), Malformed, CODE, "a known curve", curve);
    if (known) require(await signatures.readable(spki.encoded, { name: "ECDSA", namedCurve: known.name }), Malformed, CODE, "a point on its curve", raw);
    return { kind: "ec", curve, ...held };
  }
  if (named === "1.3.101.112" && raw.length === 32) return { kind: "ed25519", ...held };
  require(OTHER_KEYS.has(named), Malformed, CODE, "a known kind of key", named);
  return { kind: "other", ...held };
}

// ---- extensions ------------------------------------------------------------------------------

function extensionsOf(element: der.Element | null): Extension[] {
  if (element === null) return [];
  const list = element.parts("extensions", der.SEQUENCE)[0]!.reader("extensions").all(der.SEQUENCE);
  const found = list.map((one): Extension => {
    const reader = one.reader("Extension");
    const oid = der.oid(reader.take(der.OID));
    const critical = reader.optional(der.BOOLEAN);
    require(critical === null || der.boolean(critical), Malformed, CODE, "a default to be left out", oid);
    const value = reader.take(der.OCTET_STRING).content;
    reader.end();
    return { oid, critical: critical !== null, value };
  });
  require(new Set(found.map((one) => one.oid)).size === found.length, Malformed, CODE, "each extension once", "one twice");
  return found;
}

/** Those that are looked at must be readable. */
function readExtension(one: Extension): void {
  if (one.oid === BASIC_CONSTRAINTS) basicConstraints(one);
  else if (one.oid === KEY_USAGE) mayCertify(one);
  else if (one.oid === EXTENDED_KEY_USAGE) purposes(one);
  else if (one.oid === SUBJECT_KEY) der.parse(one.value, der.OCTET_STRING, "SubjectKeyIdentifier");
}

export const SUBJECT_KEY = "2.5.29.14", KEY_USAGE = "2.5.29.15", BASIC_CONSTRAINTS = "2.5.29.19", EXTENDED_KEY_USAGE = "2.5.29.37";

export const extensionOf = (certificate: Certificate, oid: string): Extension | undefined =>
  certificate.extensions.find((one) => one.oid === oid);

export function basicConstraints(extension: Extension): { ca: boolean; longest: bigint | null } {
  const reader = der.parse(extension.value, der.SEQUENCE, "BasicConstraints").reader("BasicConstraints");
  const ca = reader.optional(der.BOOLEAN);
  const longest = reader.optional(der.INTEGER);
  reader.end();
  const found = { ca: ca !== null && der.boolean(ca), longest: longest && der.integer(longest) };
  require(found.longest === null || found.ca, Malformed, CODE, "a path length of an issuer only", "another");
  return found;
}

export function mayCertify(extension: Extension): boolean {
  const { content } = der.parse(extension.value, der.BIT_STRING, "KeyUsage");
  require(content.length > 0 && content[0]! < 8, Malformed, CODE, "a KeyUsage", content);
  return ((content[1] ?? 0) & 0x04) !== 0;
}

export function purposes(extension: Extension): string[] {
  return der.parse(extension.value, der.SEQUENCE, "ExtKeyUsage").reader("ExtKeyUsage").all(der.OID).map(der.oid);
}

// ---- names -----------------------------------------------------------------------------------

const NAMES: Record<string, string> = {
  "2.5.4.3": "CN", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.6": "C",
  "2.5.4.9": "STREET", "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
};

function nameOf(element: der.Element): Name {
  const keys: string[] = [];
  const texts: string[] = [];
  for (const set of element.reader("Name").all(der.SET)) {
    const pairs = set.reader("RelativeDistinguishedName").all(der.SEQUENCE).map((one): [string, string] => {
      const reader = one.reader("AttributeTypeAndValue");
      const oid = der.oid(reader.take(der.OID));
      const value = reader.take();
      reader.end();
      return [oid, valueOf(value)];
    });
    require(pairs.length > 0, Malformed, CODE, "an attribute", "none");
    keys.push(JSON.stringify(pairs.map((one) => JSON.stringify(one)).sort()));
    texts.push(pairs.map(([oid, value]) => `${NAMES[oid] ?? oid}=${escaped(value)}`).join("+"));
  }
  return { encoded: element.encoded, key: keys.join(), text: texts.reverse().join(",") };
}

function valueOf({ tag, content }: der.Element): string {
  if (tag === 0x1e || tag === 0x1c) return wide(content, tag === 0x1e ? 2 : 4);
  if (tag === 0x03) return `#${hex(content)}`;
  const text = tag === 0x14 ? latin1(content) : textOf(content);
  const known = [0x0c, 0x12, 0x13, 0x14, 0x16, 0x1a].includes(tag);
  require(known && text !== null, Malformed, CODE, "a text", hex(content).slice(0, 40));
  return text;
}

function wide(content: Bytes, width: number): string {
  let text = "";
  for (let at = 0; at + width <= content.length; at += width) {
    const code = content.subarray(at, at + width).reduce((sum, one) => sum * 256 + one, 0);
    text += width === 2 ? String.fromCharCode(code) : String.fromCodePoint(code);
  }
  return text;
}

function escaped(value: string): string {
  let text = value.replace(/[\\"+,;<>]/g, "\\$&").replace(/\0/g, "\\00");
  if (text.startsWith("#") || (text.startsWith(" ") && text.length > 1)) text = `\\${text}`;
  return text.endsWith(" ") ? `${text.slice(0, -1)}\\ ` : text;
}

// ---- who signed whom -------------------------------------------------------------------------

const SM2_SIGNED = unhex("300a06082a811ccf55018375")!;
const RSA_SIGNED: Record<string, string> = { "5": "sha1", "11": "sha256", "12": "sha384", "13": "sha512" };
const EC_SIGNED: Record<string, string> = { "1": "sha1", "3.2": "sha256", "3.3": "sha384", "3.4": "sha512" };

/** That the issuer's key signed this certificate, and that it names him. */
export async function isSignedBy(certificate: Certificate, issuer: Certificate): Promise<boolean> {
  const { signatureAlgorithm: outer, innerAlgorithm: inner, signature, tbs } = certificate;
  const { key } = issuer;
  if (certificate.issuer.key !== issuer.subject.key || !same(outer, inner)) return false;
  const reader = der.parse(outer, der.SEQUENCE, "AlgorithmIdentifier").reader("AlgorithmIdentifier");
  const named = der.oid(reader.take(der.OID));
  try {
    if (named === sm2.SM2_WITH_SM3) {
      if (!same(outer, SM2_SIGNED) || key.kind !== "sm2") return false;
      sm2.requireSignature(key.raw, tbs, signature);
      return true;
    }
    const rsa = RSA_SIGNED[named.replace("1.2.840.113549.1.1.", "")];
    if (rsa) return key.kind === "rsa" && (await signatures.rsa(key.spki, rsa, signature, tbs));
    const ec = EC_SIGNED[named.replace("1.2.840.10045.4.", "")];
    if (ec) return key.kind === "ec" && (await signatures.ecdsa(key.spki, key.curve, ec, signature, tbs));
    if (named === "1.3.101.112") return key.kind === "ed25519" && (await signatures.ed25519(key.raw, signature, tbs));
    if (named === "1.2.840.113549.1.1.10" && key.kind === "rsa") {
      const { hash, salt } = pssOf(reader.take(der.SEQUENCE));
      return hash !== null && (await signatures.rsaPss(key.spki, hash, salt, signature, tbs));
    }
  } catch (error) {
    if (error instanceof ProofError) return false; // what cannot be judged leads to no root
    throw error;
  }
  return false;
}

function pssOf(parameters: der.Element): { hash: string | null; salt: number } {
  const reader = parameters.reader("RSASSA-PSS-params");
  const hash = reader.optional(der.context(0));
  reader.optional(der.context(1));
  const salt = reader.optional(der.context(2));
  const named = hash ? der.oid(hash.parts("hash", der.SEQUENCE)[0]!.reader("hash").take(der.OID)) : "";
  const known: Record<string, string> = { "2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384", "2.16.840.1.101.3.4.2.3": "sha512" };
  return { hash: known[named] ?? null, salt: salt ? Number(der.integer(salt.parts("salt", der.INTEGER)[0]!)) : 20 };
}

/** The certificates of a PEM file, in order, or of one in DER. */
export async function parseRoots(octets: Bytes): Promise<Certificate[]> {
  const text = latin1(octets);
  const blocks = [...text.matchAll(/-----BEGIN CERTIFICATE-----([\sA-Za-z0-9+/=]*)-----END CERTIFICATE-----/g)];
  const ders = octets[0] === der.SEQUENCE ? [octets] : blocks.map((one) => fromPem(one[1]!));
  require(ders.length > 0, Malformed, "roots.malformed", "certificates in PEM", "none");
  try {
    return await Promise.all(ders.map(parse));
  } catch (error) {
    const shapeless = error instanceof Shapeless || (error instanceof ProofError && error.code.startsWith("der."));
    if (shapeless) throw new Malformed("roots.malformed", "certificates in PEM", (error as ProofError).found);
    throw error;
  }
}

function fromPem(body: string): Bytes {
  try {
    return Uint8Array.from(atob(body.replace(/\s/g, "")), (one) => one.charCodeAt(0));
  } catch {
    throw new Malformed("roots.malformed", "certificates in PEM", body.slice(0, 40));
  }
}

/** What ESSCertID names: a hash over the whole. */
export const printOf = (name: string, encoded: Bytes): Bytes => hashOf(name, concat(encoded));
