// Hashes, from hash-wasm: `ready` loads them once, after which hashing is synchronous.
// A digest of ours is a text in its one spelling, `sha256:<64 hex>` or `sm3:<64 hex>`.

import { createSHA1, createSHA256, createSHA384, createSHA512, createSM3, type IHasher } from "hash-wasm";

import { Malformed, require } from "./errors";
import { hex, type Bytes } from "./octets";

const makers: Record<string, () => Promise<IHasher>> = {
  sha1: createSHA1,
  sha256: createSHA256,
  sha384: createSHA384,
  sha512: createSHA512,
  sm3: createSM3,
};
const SIZES: Record<string, number> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64, sm3: 32 };
export const ALGORITHMS = ["sha256", "sm3"] as const;
const loaded = new Map<string, IHasher>();

export async function ready(): Promise<void> {
  for (const [name, make] of Object.entries(makers)) if (!loaded.has(name)) loaded.set(name, await make());
}

/** For a stream; `hashOf` has hashers of its own. */
export async function newHasher(name: string): Promise<IHasher> {
  return (await makers[name]!()).init();
}

export const sizeOf = (name: string): number => SIZES[name]!;

export function hashOf(name: string, octets: Bytes): Bytes {
  return loaded.get(name)!.init().update(octets).digest("binary") as Bytes;
}

export const sha256 = (octets: Bytes): string => `sha256:${hex(hashOf("sha256", octets))}`;
export const sm3 = (octets: Bytes): string => `sm3:${hex(hashOf("sm3", octets))}`;

export function parseDigest(text: string): string {
  require(/^(sha256|sm3):[0-9a-f]{64}$/.test(text), Malformed, "digest.malformed", "sha256: or sm3: and 64 digits", text.slice(0, 80));
  return text;
}
