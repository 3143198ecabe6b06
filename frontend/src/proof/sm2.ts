// SM2 signatures in plain integer arithmetic: GB/T 32918.2-2016 §7, as guzheng.proof.sm2, line
// by line. It only verifies and every input is public, so nothing has to take constant time.
// No library: the browsers' own cryptography has no SM2, and this is what the kernel does too.

import * as der from "./der";
import { hashOf } from "./digest";
import { BadSignature, Malformed } from "./errors";
import { concat, numberOf, octetsOf, utf8, type Bytes } from "./octets";

export const SM2_WITH_SM3 = "1.2.156.10197.1.501";
export const SM3 = "1.2.156.10197.1.401";
const IDENTITY = utf8("1234567812345678");

const P = 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn;
const A = P - 3n;
const B = 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n;
const N = 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n;
const GX = 0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n;
const GY = 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0n;

type Point = readonly [bigint, bigint, bigint]; // Jacobian; z = 0 is the point at infinity
const INFINITY: Point = [1n, 1n, 0n];
const mod = (value: bigint): bigint => ((value % P) + P) % P;

export function requireSignature(key: Bytes, message: Bytes, signature: Bytes, identity: Bytes = IDENTITY): void {
  const [x, y] = pointOf(key);
  const reader = der.parse(signature, der.SEQUENCE, "SM2Signature").reader("SM2Signature");
  const r = der.integer(reader.take(der.INTEGER));
  const s = der.integer(reader.take(der.INTEGER));
  reader.end();
  if (!(r >= 1n && r < N && s >= 1n && s < N)) throw bad("r or s outside 1 to n-1"); // B1, B2
  const e = numberOf(hashOf("sm3", concat(entityDigest(key, identity), message))); // B3, B4
  const t = (r + s) % N; // B5
  if (t === 0n) throw bad("r + s divisible by n");
  const x1 = affineX(sumOfMultiples(s, t, [x, y, 1n])); // B6
  if (x1 === null || (e + x1) % N !== r) throw bad("a signature of another key, message or identity"); // B7
}

function entityDigest(key: Bytes, identity: Bytes): Bytes {
  if (identity.length > 0xffff >> 3) throw new Malformed("sm2.identity", "at most 8191 octets", identity.length);
  const constants = concat(...[A, B, GX, GY].map((one) => octetsOf(one, 32)));
  return hashOf("sm3", concat(octetsOf(BigInt(8 * identity.length), 2), identity, constants, key.subarray(1)));
}

/** The key's point, uncompressed and on the curve. */
export function pointOf(key: Bytes): [bigint, bigint] {
  if (key.length !== 65 || key[0] !== 4) throw new Malformed("sm2.key", "65 octets that begin with 04", key.subarray(0, 4));
  const x = numberOf(key.subarray(1, 33));
  const y = numberOf(key.subarray(33));
  if (x >= P || y >= P || mod(y * y - (x * x + A) * x - B) !== 0n) throw new Malformed("sm2.key", "a point on the curve", "another");
  return [x, y];
}

function sumOfMultiples(s: bigint, t: bigint, key: Point): Point {
  const base: Point = [GX, GY, 1n];
  const addends = [INFINITY, base, key, add(base, key)];
  const [ones, others] = [s.toString(2).padStart(256, "0"), t.toString(2).padStart(256, "0")];
  let total = INFINITY;
  for (let place = 0; place < 256; place++) {
    total = double(total);
    const chosen = (ones[place] === "1" ? 1 : 0) + (others[place] === "1" ? 2 : 0);
    if (chosen) total = add(total, addends[chosen]!);
  }
  return total;
}

function double([x, y, z]: Point): Point {
  const zz = (z * z) % P;
  const yy = (y * y) % P;
  const slope = mod(3n * (x - zz) * (x + zz));
  const four = (4n * x * yy) % P;
  const x3 = mod(slope * slope - 2n * four);
  return [x3, mod(slope * (four - x3) - 8n * yy * yy), (2n * y * z) % P];
}

/** Complete: equal, opposite and infinite points are told apart before the formula. */
function add(one: Point, other: Point): Point {
  if (one[2] === 0n) return other;
  if (other[2] === 0n) return one;
  const [zz1, zz2] = [(one[2] * one[2]) % P, (other[2] * other[2]) % P];
  const [u1, u2] = [(one[0] * zz2) % P, (other[0] * zz1) % P];
  const [s1, s2] = [(one[1] * zz2 * other[2]) % P, (other[1] * zz1 * one[2]) % P];
  if (u1 === u2) return s1 === s2 ? double(one) : INFINITY;
  const [h, rise] = [u2 - u1, s2 - s1];
  const hh = mod(h * h);
  const [hhh, v] = [mod(h * hh), mod(u1 * hh)];
  const x3 = mod(rise * rise - hhh - 2n * v);
  return [x3, mod(rise * (v - x3) - s1 * hhh), mod(one[2] * other[2] * h)];
}

function affineX(point: Point): bigint | null {
  if (point[2] === 0n) return null;
  const inverse = inverseOf(point[2]);
  return mod(point[0] * inverse * inverse);
}

function inverseOf(value: bigint): bigint {
  let [a, b, x, y] = [mod(value), P, 1n, 0n];
  while (a > 1n) {
    const quotient = b / a;
    [a, b] = [b % a, a];
    [x, y] = [y - quotient * x, x];
  }
  return mod(x);
}

const bad = (found: string): BadSignature => new BadSignature("sm2.signature-invalid", "the key's signature", found);
