// What a token file of any platform may be: a TimeStampResp or a bare token in DER, or the same
// as PEM or base64. The wrapping is taken off and told; what is inside is judged strictly.

import * as der from "../proof/der";
import { latin1, type Bytes } from "../proof/octets";

export interface TokenRead {
  readonly octets: Bytes;
  readonly spelling: "der" | "pem" | "base64";
  readonly bare: boolean; // without the answer round it
}

const LARGEST = 1 << 20;

export async function readToken(file: Blob, strict: boolean): Promise<TokenRead> {
  const octets = new Uint8Array(await file.slice(0, LARGEST).arrayBuffer());
  const wrapped = strict || octets[0] === der.SEQUENCE ? null : unwrapped(latin1(octets));
  const held = wrapped?.octets ?? octets;
  return { octets: held, spelling: wrapped?.spelling ?? "der", bare: isBare(held) };
}

function unwrapped(text: string): { octets: Bytes; spelling: "pem" | "base64" } | null {
  const pem = /-----BEGIN [A-Z0-9 ]{1,40}-----([\sA-Za-z0-9+/=]+)-----END [A-Z0-9 ]{1,40}-----/.exec(text);
  const body = (pem?.[1] ?? text).replace(/\s/g, "");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(body)) return null;
  try {
    const octets = Uint8Array.from(atob(body), (one) => one.charCodeAt(0));
    return octets[0] === der.SEQUENCE ? { octets, spelling: pem ? "pem" : "base64" } : null;
  } catch {
    return null;
  }
}

/** A ContentInfo begins with a name, a TimeStampResp with a status. */
function isBare(octets: Bytes): boolean {
  const width = octets[1] === undefined || octets[1] < 0x80 ? 0 : octets[1] & 0x7f;
  return octets[0] === der.SEQUENCE && octets[2 + width] === der.OID;
}

/** By what is inside, whatever its name: does this look like a token? */
export async function looksLikeToken(file: Blob): Promise<boolean> {
  if (file.size === 0 || file.size > 256 * 1024) return false;
  const { octets } = await readToken(file, false);
  if (octets[0] !== der.SEQUENCE) return false;
  // id-ct-TSTInfo, or id-signedData with it: a TimeStampResp that refuses has neither.
  return latin1(octets).includes("\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04");
}
