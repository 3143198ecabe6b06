// Octets and texts: the few operations that every format needs, each in its one spelling.

import { Malformed, require } from "./errors";

export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const utf8 = (text: string): Bytes => encoder.encode(text);

/** Strict UTF-8, or null. */
export function textOf(octets: Bytes): string | null {
  try {
    return decoder.decode(octets);
  } catch {
    return null;
  }
}

/** One character for each octet: for formats that are searched as text. */
export function latin1(octets: Bytes): string {
  let text = "";
  for (let at = 0; at < octets.length; at += 8192) text += String.fromCharCode(...octets.subarray(at, at + 8192));
  return text;
}

export const hex = (octets: Bytes): string => {
  let text = "";
  for (const one of octets) text += (one < 16 ? "0" : "") + one.toString(16);
  return text;
};

/** Of lower- or upper-case pairs; null for anything else. */
export function unhex(digits: string): Bytes | null {
  if (digits.length % 2 || !/^[0-9a-fA-F]*$/.test(digits)) return null;
  const octets = new Uint8Array(digits.length / 2);
  for (let at = 0; at < octets.length; at++) octets[at] = parseInt(digits.slice(2 * at, 2 * at + 2), 16);
  return octets;
}

export function concat(...parts: Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, one) => sum + one.length, 0));
  let at = 0;
  for (const one of parts) {
    whole.set(one, at);
    at += one.length;
  }
  return whole;
}

export function same(one: Bytes, other: Bytes): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}

/** Below zero, zero or above it: octet by octet, the shorter first. */
export function compare(one: Bytes, other: Bytes): number {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at++) {
    const apart = one[at]! - other[at]!;
    if (apart) return apart;
  }
  return one.length - other.length;
}

export function numberOf(octets: Bytes): bigint {
  return octets.length ? BigInt("0x" + hex(octets)) : 0n;
}

export function octetsOf(value: bigint, size: number): Bytes {
  return unhex(value.toString(16).padStart(2 * size, "0"))!;
}

export function toBase64(octets: Bytes): string {
  return btoa(latin1(octets));
}

/** The octets of standard base64 in its one spelling; refusals bear the caller's code. */
export function fromBase64(text: string, code: string): Bytes {
  let octets: Bytes | null = null;
  if (/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    try {
      octets = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    } catch {
      octets = null;
    }
  }
  if (octets === null) throw new Malformed(code, "base64", text.slice(0, 80));
  require(toBase64(octets) === text, Malformed, code, "base64 in its one spelling", text.slice(0, 80));
  return octets;
}

/** Sorted by code points, as papers and SHA256SUMS are. */
export function sorted(texts: Iterable<string>): string[] {
  return [...texts].sort(byCodePoints);
}

export function byCodePoints(one: string, other: string): number {
  return compare(utf8(one), utf8(other));
}

/** Characters, not UTF-16 units. */
export const lengthOf = (text: string): number => [...text].length;
