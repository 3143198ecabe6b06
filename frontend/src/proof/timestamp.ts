// RFC 3161 timestamps: read one, and check what it proves. As guzheng.proof.timestamp: a
// TimeStampResp, or a bare TimeStampToken.

import * as chain from "./chain";
import * as cms from "./cms";
import * as der from "./der";
import { hashOf, sizeOf } from "./digest";
import { DigestMismatch, Malformed, Refuted, require } from "./errors";
import type { Instant } from "./instant";
import { hex, same, type Bytes } from "./octets";
import type { Certificate } from "./x509";

export const TST_INFO = "1.2.840.113549.1.9.16.1.4";
export const CLOCK_NOT_VERIFIED = "2.25.233878078801265780082694493288412666610";
const MAX_OCTETS = 64 * 1024;

export interface TimestampToken {
  readonly imprintName: string;
  readonly imprint: Bytes;
  readonly policy: string;
  readonly serial: bigint;
  readonly attestedAt: Instant;
  readonly accuracy: bigint | null; // microseconds
  readonly nonce: bigint | null;
  readonly signed: cms.SignedContent;
}

export function parse(octets: Bytes): TimestampToken {
  require(octets.length <= MAX_OCTETS, Malformed, "timestamp.too-large", `at most ${MAX_OCTETS} octets`, octets.length);
  const reader = der.parse(octets, der.SEQUENCE, "TimeStampResp").reader("TimeStampResp");
  if (reader.tag === der.OID) return tokenOf(octets); // a ContentInfo: the token without the answer round it
  const status = reader.take(der.SEQUENCE).reader("PKIStatusInfo");
  const number = der.integer(status.take(der.INTEGER));
  require(number === 0n || number === 1n, Refuted, "timestamp.not-granted", "status 0 or 1", number);
  const text = status.optional(der.SEQUENCE);
  if (text !== null) text.reader("statusString").all(der.UTF8_STRING);
  status.end();
  const token = reader.take(der.SEQUENCE);
  reader.end();
  return tokenOf(token.encoded);
}

function tokenOf(octets: Bytes): TimestampToken {
  const signed = cms.parse(octets);
  if (signed.contentType !== TST_INFO || signed.content === null) throw new Malformed("timestamp.not-a-token", TST_INFO, signed.contentType);
  const reader = der.parse(signed.content, der.SEQUENCE, "TSTInfo").reader("TSTInfo");
  const version = der.integer(reader.take(der.INTEGER));
  require(version === 1n, Malformed, "timestamp.version", "TSTInfo version 1", version);
  const policy = der.oid(reader.take(der.OID));
  const [algorithm, octetString] = reader.take(der.SEQUENCE).parts("MessageImprint", der.SEQUENCE, der.OCTET_STRING) as [der.Element, der.Element];
  const imprintName = cms.digestName(algorithm);
  const imprint = octetString.content;
  require(imprint.length === sizeOf(imprintName), Malformed, "timestamp.imprint-size", sizeOf(imprintName), imprint.length);
  const serial = der.integer(reader.take(der.INTEGER));
  const attestedAt = der.generalizedTime(reader.take(der.GENERALIZED_TIME));
  const accuracy = reader.optional(der.SEQUENCE);
  const ordering = reader.optional(der.BOOLEAN);
  require(ordering === null || der.boolean(ordering), Malformed, "der.malformed", "a default to be left out", "ordering FALSE");
  const nonce = reader.optional(der.INTEGER);
  reader.optional(der.context(0));
  const extensions = reader.optional(der.context(1));
  if (extensions !== null) requireUncritical(extensions);
  reader.end();
  return { imprintName, imprint, policy, serial, attestedAt, accuracy: accuracy && accuracyOf(accuracy), nonce: nonce && der.integer(nonce), signed };
}

function requireUncritical(extensions: der.Element): void {
  for (const one of extensions.reader("extensions").all(der.SEQUENCE)) {
    const reader = one.reader("Extension");
    const name = der.oid(reader.take(der.OID));
    const critical = reader.optional(der.BOOLEAN);
    reader.take(der.OCTET_STRING);
    reader.end();
    require(critical === null, Refuted, "timestamp.extension-unknown", "known critical extensions", name);
  }
}

function accuracyOf(element: der.Element): bigint {
  const reader = element.reader("Accuracy");
  const seconds = reader.optional(der.INTEGER);
  const parts = [seconds ? der.integer(seconds) : 0n];
  for (const number of [0, 1]) {
    const part = reader.optional(der.context(number, false));
    const value = part ? der.integer(new der.Element(der.INTEGER, part.content, part.encoded)) : 0n;
    require(part === null || (value >= 1n && value <= 999n), Malformed, "der.malformed", "1 to 999", value);
    parts.push(value);
  }
  reader.end();
  require(parts[0]! >= 0n && parts[0]! <= 86_400n, Malformed, "timestamp.accuracy", "0 to 86,400 s", parts[0]);
  return parts[0]! * 1_000_000n + parts[1]! * 1000n + parts[2]!;
}

export function requireImprint(token: TimestampToken, hashed: Bytes, name = "sha256"): void {
  const fits = token.imprintName === name && same(token.imprint, hashed);
  require(fits, DigestMismatch, "timestamp.imprint-differs", `${token.imprintName}:${hex(token.imprint)}`, `${name}:${hex(hashed)}`);
}

/** The authority's certificate; its purpose is sole and critical (RFC 3161 §2.3). */
export async function requireSignature(token: TimestampToken): Promise<Certificate> {
  const digest = hashOf(token.signed.digestName, token.signed.content!);
  const certificate = await cms.requireSignature(token.signed, digest);
  chain.requireSoleCriticalPurpose(certificate, chain.TIME_STAMPING);
  return certificate;
}

/** The path to a trusted root, valid at the time that the token attests, not now. */
export async function requireTrusted(token: TimestampToken, authority: Certificate, roots: readonly Certificate[]): Promise<Certificate[]> {
  return chain.requirePath(authority, await cms.readableCertificates(token.signed), roots, token.attestedAt);
}
