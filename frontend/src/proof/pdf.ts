// Whether a signed PDF is whole: byte ranges, signatures, their times (PAdES). guzheng.proof.pdf.

import * as chain from "./chain";
import * as cms from "./cms";
import { hashOf, sha256 } from "./digest";
import { Inconsistent, Malformed, Refuted, require } from "./errors";
import type { Instant } from "./instant";
import { concat, latin1, numberOf, sorted, unhex, type Bytes } from "./octets";
import * as timestamp from "./timestamp";
import type { Certificate } from "./x509";

const MAX_SIGNATURES = 16;

/** The page is the print of these facts: its keywords name them, in every place. */
export function requireSpeaksOf(pdf: Bytes, factsJson: Bytes): void {
  const wanted = sha256(factsJson);
  const found = sorted(new Set(namedFacts(pdf)));
  require(found.length === 1 && found[0] === wanted, Inconsistent, "certificate.differs", wanted, found.slice(0, 2).join(", ") || "no keywords");
}

export const namedFacts = (pdf: Bytes): string[] =>
  [...latin1(pdf).matchAll(/certificate\.json (sha256:[0-9a-f]{64})/g)].map((one) => one[1]!);

/** When the whole document was signed, by a certificate under one of the roots. */
export async function requireSigned(pdf: Bytes, roots: readonly Certificate[]): Promise<Instant> {
  const text = latin1(pdf);
  const forms = [...text.matchAll(/\/ByteRange\s*\[\s*0\s+(\d{1,12})\s+(\d{1,12})\s+(\d{1,12})\s*\]/g)];
  require(forms.length <= MAX_SIGNATURES, Malformed, "pdf.byte-range", `at most ${MAX_SIGNATURES} signatures`, forms.length);
  let covered = 0;
  let signedAt: Instant | null = null;
  for (const form of forms) {
    const [before, resume, after] = form.slice(1).map(Number) as [number, number, number];
    const inside = before < resume && resume <= pdf.length ? text.slice(before, resume) : "";
    const gap = /^<([0-9A-F]*|[0-9a-f]*)>$/.exec(inside);
    if (gap === null || resume + after > pdf.length) throw new Malformed("pdf.byte-range", "a range that leaves out one hex string", form[0].slice(0, 60));
    const octets = concat(pdf.subarray(0, before), pdf.subarray(resume, resume + after));
    const at = await requireOne(octets, unpadded(unhex(gap[1]!) ?? new Uint8Array(0)), roots);
    signedAt = at ?? signedAt;
    covered = Math.max(covered, resume + after);
  }
  if (signedAt === null) throw new Refuted("pdf.unsigned", "a document signature", "none");
  require(covered === pdf.length, Refuted, "pdf.not-covered", `${pdf.length} octets signed`, covered);
  return signedAt;
}

function unpadded(contents: Bytes): Bytes {
  const long = contents.length >= 4 && (contents[1] === 0x82 || contents[1] === 0x83);
  require(long, Malformed, "pdf.signature", "a signature", contents.subarray(0, 4));
  const width = contents[1]! & 0x7f;
  const end = 2 + width + Number(numberOf(contents.slice(2, 2 + width)));
  require(contents.subarray(end).every((one) => one === 0), Malformed, "pdf.signature", "zeros after the signature", "something else");
  return contents.slice(0, end);
}

/** The signing time of a document signature; null for a document timestamp. */
async function requireOne(octets: Bytes, signature: Bytes, roots: readonly Certificate[]): Promise<Instant | null> {
  const signed = cms.parse(signature);
  if (signed.contentType === timestamp.TST_INFO) {
    await requireTime(signature, octets, roots);
    return null;
  }
  const signer = await cms.requireSignature(signed, hashOf(signed.digestName, octets));
  if (signed.signatureToken === null) throw new Refuted("pdf.no-time", "a timestamp over the signature", "none");
  const at = await requireTime(signed.signatureToken, signed.signature, roots);
  await chain.requirePath(signer, await cms.readableCertificates(signed), roots, at);
  return at;
}

async function requireTime(tokenOctets: Bytes, over: Bytes, roots: readonly Certificate[]): Promise<Instant> {
  const token = timestamp.parse(tokenOctets);
  timestamp.requireImprint(token, hashOf(token.imprintName, over), token.imprintName);
  await timestamp.requireTrusted(token, await timestamp.requireSignature(token), roots);
  return token.attestedAt;
}
