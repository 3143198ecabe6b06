// Signed data with exactly one signer (RFC 5652 §5). As guzheng.proof.cms: the signature stands
// over the signed attributes, these name the content, and they name the signer's certificate
// (RFC 5035, RFC 5816). Whom to trust is asked apart: «forged» and «unknown» are two answers.

import * as der from "./der";
import { BadSignature, DigestMismatch, Malformed, Refuted, require } from "./errors";
import { concat, hex, same, type Bytes } from "./octets";
import * as signatures from "./signatures";
import * as sm2 from "./sm2";
import * as x509 from "./x509";

export const DATA = "1.2.840.113549.1.7.1", SIGNED_DATA = "1.2.840.113549.1.7.2";
const CONTENT_TYPE = "1.2.840.113549.1.9.3", MESSAGE_DIGEST = "1.2.840.113549.1.9.4";
const SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12", SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47";
const SIGNATURE_TOKEN = "1.2.840.113549.1.9.16.2.14";
const MAX_CERTIFICATES = 8;

export const DIGESTS: Record<string, string> = {
  "2.16.840.1.101.3.4.2.1": "sha256",
  "2.16.840.1.101.3.4.2.2": "sha384",
  "2.16.840.1.101.3.4.2.3": "sha512",
  [sm2.SM3]: "sm3",
};
// Signature algorithms, and the digest each implies ("": the SignerInfo's own).
const RSA: Record<string, string> = {
  "1.2.840.113549.1.1.1": "", "1.2.840.113549.1.1.11": "sha256", "1.2.840.113549.1.1.12": "sha384", "1.2.840.113549.1.1.13": "sha512",
};
const ECDSA: Record<string, string> = { "1.2.840.10045.4.3.2": "sha256", "1.2.840.10045.4.3.3": "sha384", "1.2.840.10045.4.3.4": "sha512" };

export interface SignedContent {
  readonly contentType: string;
  readonly content: Bytes | null;
  readonly certificates: Bytes[];
  readonly identifier: der.Element;
  readonly digestName: string;
  readonly attributesEncoded: Bytes;
  readonly attributes: Map<string, der.Element>;
  readonly signatureOid: string;
  readonly signature: Bytes;
  readonly signatureToken: Bytes | null;
}

/** Those that can be read; one that cannot is on no path, which then fails. */
export async function readableCertificates(signed: SignedContent): Promise<x509.Certificate[]> {
  const found: x509.Certificate[] = [];
  for (const encoded of signed.certificates) {
    try {
      found.push(await x509.parse(encoded));
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
    }
  }
  return found;
}

export function digestName(algorithm: der.Element): string {
  const found = algorithmOf(algorithm);
  const name = DIGESTS[found];
  if (name === undefined) throw new Refuted("cms.digest-not-accepted", Object.values(DIGESTS), found);
  return name;
}

function algorithmOf(element: der.Element): string {
  const reader = element.require(der.SEQUENCE, "AlgorithmIdentifier").reader("AlgorithmIdentifier");
  const found = der.oid(reader.take(der.OID));
  const nothing = reader.optional(der.NULL);
  reader.end();
  require(nothing === null || nothing.content.length === 0, Malformed, "der.malformed", "an empty NULL", nothing?.encoded);
  return found;
}

function requireVersion(element: der.Element, ...wanted: bigint[]): void {
  const found = der.integer(element);
  require(wanted.includes(found), Malformed, "cms.version", wanted.join(" or "), found);
}

export function parse(octets: Bytes): SignedContent {
  const info = der.parse(octets, der.SEQUENCE, "ContentInfo");
  const [named, explicit] = info.parts("ContentInfo", der.OID, der.context(0)) as [der.Element, der.Element];
  const kind = der.oid(named);
  require(kind === SIGNED_DATA, Malformed, "cms.not-signed-data", SIGNED_DATA, kind);
  const signed = explicit.parts("ContentInfo.content", der.SEQUENCE)[0]!.reader("SignedData");
  const version = signed.take(der.INTEGER);
  const announced = signed.take(der.SET).reader("digestAlgorithms").all(der.SEQUENCE);
  const [contentType, content] = encapsulated(signed.take(der.SEQUENCE));
  const enclosed = signed.optional(der.context(0));
  const held = enclosed ? enclosed.reader("certificates").all(der.SEQUENCE) : [];
  require(held.length <= MAX_CERTIFICATES, Malformed, "cms.certificates", `at most ${MAX_CERTIFICATES}`, held.length);
  const revocation = signed.optional(der.context(1));
  const signers = signed.take(der.SET).reader("signerInfos").all(der.SEQUENCE);
  signed.end();
  require(signers.length === 1, Refuted, "cms.one-signer", "one signer", signers.length);
  const found = withSigner(signers[0]!, contentType, content, held.map((one) => one.encoded));
  const byName = found.identifier.tag === der.SEQUENCE;
  requireVersion(version, contentType === DATA && byName ? 1n : 3n, ...(revocation ? [5n] : []));
  const names = announced.map(digestName);
  require(names.includes(found.digestName), Refuted, "cms.digest-not-announced", found.digestName, names);
  return found;
}

function encapsulated(element: der.Element): [string, Bytes | null] {
  const reader = element.reader("EncapsulatedContentInfo");
  const contentType = der.oid(reader.take(der.OID));
  const explicit = reader.optional(der.context(0));
  reader.end();
  return [contentType, explicit && explicit.parts("eContent", der.OCTET_STRING)[0]!.content];
}

function withSigner(signer: der.Element, contentType: string, content: Bytes | null, certificates: Bytes[]): SignedContent {
  const reader = signer.reader("SignerInfo");
  const version = reader.take(der.INTEGER);
  const identifier = reader.take();
  requireVersion(version, identifier.tag === der.SEQUENCE ? 1n : 3n);
  const name = digestName(reader.take(der.SEQUENCE));
  const attributes = reader.take(der.context(0));
  const signatureOid = algorithmOf(reader.take(der.SEQUENCE));
  const signature = reader.take(der.OCTET_STRING).content;
  const unsigned = reader.optional(der.context(1));
  reader.end();
  const token = unsigned ? attributesOf(unsigned).get(SIGNATURE_TOKEN) : undefined;
  return {
    contentType, content, certificates, identifier, digestName: name, signatureOid, signature,
    // RFC 5652 §5.4: signed is the SET OF itself, not its [0] tag.
    attributesEncoded: concat(new Uint8Array([der.SET]), attributes.encoded.slice(1)),
    attributes: attributesOf(attributes),
    signatureToken: token?.encoded ?? null,
  };
}

function attributesOf(element: der.Element): Map<string, der.Element> {
  const found = new Map<string, der.Element>();
  for (const one of element.reader("attributes").all(der.SEQUENCE)) {
    const [named, values] = one.parts("Attribute", der.OID, der.SET) as [der.Element, der.Element];
    const kind = der.oid(named);
    const reader = values.reader("attribute values");
    require(!found.has(kind), Refuted, "cms.attribute-duplicated", `${kind} once`, "twice");
    found.set(kind, reader.take());
    reader.end();
  }
  return found;
}

/** The signer's certificate, once its signature and all that it must name are shown to fit. */
export async function requireSignature(signed: SignedContent, contentDigest: Bytes): Promise<x509.Certificate> {
  // (1) The attributes name this content's type and digest: RFC 5652 §11.1, §11.2.
  const kind = der.oid(attribute(signed, CONTENT_TYPE));
  require(kind === signed.contentType, Refuted, "cms.content-type-differs", signed.contentType, kind);
  const held = attribute(signed, MESSAGE_DIGEST).require(der.OCTET_STRING, "messageDigest").content;
  require(same(held, contentDigest), DigestMismatch, "cms.message-digest-differs", held, contentDigest);
  // (2) The certificate is the one the signer says he used, by its hash: RFC 5035 §5.
  const certificate = await x509.parse(signerCertificate(signed));
  require(identifies(signed.identifier, certificate), Refuted, "cms.signer-differs", "the certificate's own names", "others");
  // (3) The signature stands over the attributes: RFC 5652 §5.4.
  await requireKeySigned(signed, certificate);
  return certificate;
}

function identifies(identifier: der.Element, certificate: x509.Certificate): boolean {
  if (identifier.tag === der.SEQUENCE) {
    const [issuer, serial] = identifier.parts("IssuerAndSerialNumber", der.SEQUENCE, der.INTEGER) as [der.Element, der.Element];
    return same(issuer.encoded, certificate.issuer.encoded) && der.integer(serial) === certificate.serial;
  }
  const named = identifier.require(der.context(0, false), "SignerIdentifier").content;
  const own = x509.extensionOf(certificate, x509.SUBJECT_KEY);
  return own !== undefined && same(der.parse(own.value, der.OCTET_STRING, "SubjectKeyIdentifier").content, named);
}

function attribute(signed: SignedContent, kind: string): der.Element {
  const found = signed.attributes.get(kind);
  if (found === undefined) throw new Refuted("cms.attribute-missing", `signed attribute ${kind}`, "none");
  return found;
}

function signerCertificate(signed: SignedContent): Bytes {
  const newer = signed.attributes.has(SIGNING_CERTIFICATE_V2);
  const naming = signed.attributes.get(newer ? SIGNING_CERTIFICATE_V2 : SIGNING_CERTIFICATE);
  if (naming === undefined) throw new Refuted("cms.certificate-unnamed", "a signing-certificate attribute", "none");
  const [name, wanted] = firstNamed(naming, newer);
  require(signed.certificates.length > 0, Refuted, "cms.no-certificate", "the signer's certificate", "none");
  for (const encoded of signed.certificates) if (same(x509.printOf(name, encoded), wanted)) return encoded;
  throw new Refuted("cms.certificate-differs", `one with ${name} ${hex(wanted)}`, "others");
}

/** Hash name and hash of the first ESSCertID or ESSCertIDv2: the signer's own. */
function firstNamed(naming: der.Element, newer: boolean): [string, Bytes] {
  const named = naming.require(der.SEQUENCE, "SigningCertificate").reader("SigningCertificate").take(der.SEQUENCE);
  const identifiers = named.reader("ESSCertIDs").all(der.SEQUENCE);
  require(identifiers.length > 0, Malformed, "cms.certificate-unnamed", "an ESSCertID", "none");
  const first = identifiers[0]!.reader("ESSCertID");
  // RFC 5816 §2.2.1: v1 is SHA-1 by definition, v2 says which, SHA-256 by default.
  let name = newer ? "sha256" : "sha1";
  if (newer && first.tag === der.SEQUENCE) name = digestName(first.take(der.SEQUENCE));
  return [name, first.take(der.OCTET_STRING).content];
}

async function requireKeySigned(signed: SignedContent, certificate: x509.Certificate): Promise<void> {
  const { signatureOid: named, attributesEncoded: over, signature, digestName: own } = signed;
  const { key } = certificate;
  const implied = RSA[named] ?? ECDSA[named];
  const hash = implied === "" || implied === undefined ? own : implied;
  const sha2 = hash.startsWith("sha");
  let fits: boolean;
  if (key.kind === "rsa" && named in RSA && sha2) fits = await signatures.rsa(key.spki, hash, signature, over);
  else if (key.kind === "ec" && named in ECDSA && sha2) fits = await signatures.ecdsa(key.spki, key.curve, hash, signature, over);
  else if (key.kind === "sm2" && named === sm2.SM2_WITH_SM3 && own === "sm3") {
    sm2.requireSignature(key.raw, over, signature);
    return;
  } else throw new Refuted("cms.signature-algorithm", "RSA or ECDSA with SHA-2, SM2 with SM3, as the certificate's key is", named);
  require(fits, BadSignature, "cms.signature-invalid", "a signature by the certificate's key", "another");
}

