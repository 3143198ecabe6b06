// The engine as a module, for programs and for the tests that compare it with the kernel.

import { parse as parseCanonical } from "./proof/canonical";
import { parseDigest } from "./proof/digest";
import { ProofError } from "./proof/errors";
import { leafOf, parse as parseManifest } from "./proof/manifest";
import { Note, VerifierKey } from "./proof/note";
import { hex, unhex, utf8, type Bytes } from "./proof/octets";
import { parse as parsePolicy, requireQuorum } from "./proof/policy";
import * as sm2 from "./proof/sm2";

export { verdictOf } from "./engine";
export { ready } from "./proof/digest";

const octets = (digits: string | undefined): Bytes => unhex(digits ?? "")!;

// One small piece of the kernel each, asked by the vectors that are about that piece.
const pieces: Record<string, (given: Record<string, string>) => unknown> = {
  canonical: (given) => parseCanonical(octets(given["octets"])),
  digest: (given) => parseDigest(given["digest"]!),
  manifest: (given) => parseManifest(octets(given["octets"])),
  leaf: (given) => hex(leafOf(octets(given["manifest"]), octets(given["seal"]))),
  note: (given) => Note.parse(octets(given["note"])).requireSigned([VerifierKey.parse(given["key"]!)]),
  quorum: (given) => requireQuorum(parsePolicy(utf8(given["policy"]!)), Note.parse(utf8(given["checkpoint"]!))),
  sm2: (given) => sm2.requireSignature(octets(given["public"]), octets(given["message"]), octets(given["signature"]), octets(given["identity"])),
};

/** Null when the piece accepts what it is given, else the code of its refusal. */
export async function codeOf(piece: string, given: Record<string, string>): Promise<string | null> {
  try {
    const found = await pieces[piece]!(given);
    return piece === "leaf" ? String(found) : null;
  } catch (error) {
    if (error instanceof ProofError) return error.code;
    throw error;
  }
}
