// The browser's own cryptography (WebCrypto), asked whether a signature fits. True and false are
// answers about the evidence; what this browser cannot do is Undecided, never a refusal.

import * as der from "./der";
import { ProofError, Undecided, UNSUPPORTED } from "./errors";
import { concat, octetsOf, type Bytes } from "./octets";

const HASHES: Record<string, string> = { sha1: "SHA-1", sha256: "SHA-256", sha384: "SHA-384", sha512: "SHA-512" };
export const CURVES: Record<string, { name: string; size: number }> = {
  "1.2.840.10045.3.1.7": { name: "P-256", size: 32 },
  "1.3.132.0.34": { name: "P-384", size: 48 },
  "1.3.132.0.35": { name: "P-521", size: 66 },
};

const found = (): SubtleCrypto | undefined => (globalThis.crypto as Crypto | undefined)?.subtle;

function subtle(): SubtleCrypto {
  const here = found();
  if (here === undefined) throw new Undecided(UNSUPPORTED, "WebCrypto (https, or a file of this computer)", "none in this browser");
  return here;
}

async function check(format: "spki" | "raw", key: Bytes, algorithm: AlgorithmIdentifier | RsaHashedImportParams | EcKeyImportParams, how: AlgorithmIdentifier | RsaPssParams | EcdsaParams, signature: Bytes, over: Bytes): Promise<boolean> {
  const here = subtle();
  let imported: CryptoKey;
  try {
    imported = await here.importKey(format, key, algorithm, false, ["verify"]);
  } catch (error) {
    const why = error instanceof Error ? error.name : "";
    if (why === "NotSupportedError") throw new Undecided(UNSUPPORTED, "a browser that knows this kind of key", JSON.stringify(algorithm));
    return false;
  }
  return here.verify(how, imported, signature, over);
}

export function rsa(spki: Bytes, hash: string, signature: Bytes, over: Bytes): Promise<boolean> {
  const name = "RSASSA-PKCS1-v1_5";
  return check("spki", spki, { name, hash: HASHES[hash]! }, { name }, signature, over);
}

export function rsaPss(spki: Bytes, hash: string, saltLength: number, signature: Bytes, over: Bytes): Promise<boolean> {
  return check("spki", spki, { name: "RSA-PSS", hash: HASHES[hash]! }, { name: "RSA-PSS", saltLength }, signature, over);
}

export async function ecdsa(spki: Bytes, curve: string | null, hash: string, signature: Bytes, over: Bytes): Promise<boolean> {
  const numbers = signatureNumbers(signature);
  const known = curve === null ? undefined : CURVES[curve];
  if (known === undefined) throw new Undecided(UNSUPPORTED, "P-256, P-384 or P-521", curve ?? "");
  if (numbers === null || numbers.some((one) => one <= 0n || one >> BigInt(8 * known.size))) return false;
  const raw = concat(...numbers.map((one) => octetsOf(one, known.size)));
  return check("spki", spki, { name: "ECDSA", namedCurve: known.name }, { name: "ECDSA", hash: HASHES[hash]! }, raw, over);
}

function signatureNumbers(signature: Bytes): bigint[] | null {
  try {
    return der.parse(signature, der.SEQUENCE, "Ecdsa-Sig-Value").parts("Ecdsa-Sig-Value", der.INTEGER, der.INTEGER).map(der.integer);
  } catch (error) {
    if (error instanceof ProofError) return null;
    throw error;
  }
}

export function ed25519(key: Bytes, signature: Bytes, over: Bytes): Promise<boolean> {
  return check("raw", key, { name: "Ed25519" }, { name: "Ed25519" }, signature, over);
}

/** False only when the browser says that this is no key of its kind: a point off its curve. */
export async function readable(spki: Bytes, algorithm: RsaHashedImportParams | EcKeyImportParams): Promise<boolean> {
  const here = found();
  if (here === undefined) return true;
  try {
    await here.importKey("spki", spki, algorithm, false, ["verify"]);
    return true;
  } catch (error) {
    return error instanceof Error && error.name === "NotSupportedError";
  }
}
