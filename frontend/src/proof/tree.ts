// Merkle tree of RFC 6962 §2.1: inclusion paths. As guzheng.proof.tree.

import { hashOf } from "./digest";
import { NotIncluded, require } from "./errors";
import { concat, same, type Bytes } from "./octets";

export const HASH_SIZE = 32;
export const MAX_SIZE = (1n << 63n) - 1n;

export const leafHash = (entry: Bytes): Bytes => hashOf("sha256", concat(new Uint8Array([0]), entry));
const nodeHash = (left: Bytes, right: Bytes): Bytes => hashOf("sha256", concat(new Uint8Array([1]), left, right));
export const emptyRoot = (): Bytes => hashOf("sha256", new Uint8Array(0));

/** Where each sibling begins, from the leaf's own up to below the root. */
function siblings(index: bigint, size: bigint): bigint[] {
  let [start, end] = [0n, size];
  const found: bigint[] = [];
  while (end - start > 1n) {
    const middle = start + (1n << BigInt((end - start - 1n).toString(2).length - 1));
    if (index < middle) {
      found.push(middle);
      end = middle;
    } else {
      found.push(start);
      start = middle;
    }
  }
  return found.reverse();
}

export function requireIncluded(entryHash: Bytes, index: bigint, size: bigint, path: readonly Bytes[], root: Bytes): void {
  require(index >= 0n && index < size, NotIncluded, "tree.no-such-leaf", `below ${size}`, index);
  const ranges = siblings(index, size);
  require(path.length === ranges.length, NotIncluded, "tree.path-length", ranges.length, path.length);
  let result = entryHash;
  path.forEach((sibling, at) => {
    result = ranges[at]! < index ? nodeHash(sibling, result) : nodeHash(result, sibling);
  });
  require(same(result, root), NotIncluded, "tree.not-included", root, result);
}
