// Receipts of a checkpoint on systems of others: what they say, as far as it can be judged
// offline. As guzheng.proof.anchors.

import { parseObject, type Json } from "./canonical";
import { hashOf } from "./digest";
import { DigestMismatch, Malformed, Refuted, Undecided, require } from "./errors";
import { Fields } from "./fields";
import type { Checkpoint } from "./note";
import { concat, hex, octetsOf, same, unhex, utf8, type Bytes } from "./octets";

const SELECTOR = unhex("7f00e393")!;
const TOPIC = unhex("8a52f76f27660c467788fef5636f6aae8d50a3f8ef9981e6f3f1ad6e4a0c342c")!;

export function requireEvm(octets: Bytes, checkpoint: Checkpoint): string {
  const fields = new Fields(parseObject(octets), "anchor");
  fields.oneOf("schema", ["guzheng.evm-anchor/1"]);
  const chainId = fields.count("chain_id");
  const contract = octetsIn(fields, "contract", 20);
  const sent = new Fields(fields.take("transaction"), "anchor.transaction");
  const transaction = octetsIn(sent, "hash", 32);
  const wanted = concat(hashOf("sha256", utf8(checkpoint.origin)), octetsOf(checkpoint.size, 32), checkpoint.root, hashOf("sha256", checkpoint.encoded));
  octetsIn(sent, "from", 20);
  requireSame(octetsIn(sent, "to", 20), contract, "the contract called");
  requireSame(octetsIn(sent, "input"), concat(SELECTOR, wanted), "what the contract was told");
  sent.end();
  const got = new Fields(fields.take("receipt"), "anchor.receipt");
  require(got.count("status") === 1, Refuted, "anchor.evm-reverted", "status 1", "another");
  requireSame(octetsIn(got, "transaction_hash", 32), transaction, "its transaction");
  const block = octetsIn(got, "block_hash", 32);
  const number = got.count("block_number");
  const event = new Fields(got.take("log"), "anchor.receipt.log");
  requireSame(octetsIn(event, "address", 20), contract, "the contract that spoke");
  requireSame(concat(...event.texts("topics", 4).map(bare)), concat(TOPIC, wanted.subarray(0, 64)), "the event's topics");
  requireSame(octetsIn(event, "data"), wanted.slice(64), "the event's data");
  event.end();
  got.end();
  const header = new Fields(fields.take("block") as Json, "anchor.block");
  requireSame(octetsIn(header, "hash", 32), block, "its block");
  require(header.count("number") === number, Refuted, "anchor.evm-differs", number, "another");
  for (const root of ["parent_hash", "state_root", "transactions_root", "receipts_root"]) octetsIn(header, root, 32);
  header.count("timestamp");
  header.end();
  fields.end();
  return `chain ${chainId}, contract 0x${hex(contract)}, transaction 0x${hex(transaction)}, block ${number} (0x${hex(block)})`;
}

function octetsIn(fields: Fields, name: string, size?: number): Bytes {
  const found = bare(fields.text(name));
  require(size === undefined || found.length === size, Malformed, "anchor.malformed", `${name} of ${size} octets`, found.length);
  return found;
}

function bare(text: string): Bytes {
  require(/^0x(?:[0-9a-f]{2})*$/.test(text), Malformed, "anchor.malformed", "0x and lower-case hexadecimal", text.slice(0, 80));
  return unhex(text.slice(2))!;
}

function requireSame(found: Bytes, wanted: Bytes, what: string): void {
  require(same(found, wanted), DigestMismatch, "anchor.evm-differs", `${what}: ${hex(wanted)}`, hex(found));
}

// ---- OpenTimestamps --------------------------------------------------------------------------

const MAGIC = concat(new Uint8Array([0]), utf8("OpenTimestamps"), unhex("0000")!, utf8("Proof"), unhex("00bf89e2e884e89294")!);
const BITCOIN = unhex("0588960d73d71901")!;
const SHA256 = 0x08, APPEND = 0xf0, PREPEND = 0xf1, ATTESTATION = 0x00, FORK = 0xff;

export function requireOts(octets: Bytes, body: Bytes): string {
  form(octets.length <= 64 * 1024, "at most 65536 octets", octets.length);
  const reader = new OtsReader(octets);
  form(same(reader.take(MAGIC.length), MAGIC), "a proof's magic", "another");
  form(same(reader.take(2), new Uint8Array([1, SHA256])), "version 1, SHA-256", "others");
  const wanted = hashOf("sha256", body);
  const begins = reader.take(32);
  require(same(begins, wanted), DigestMismatch, "anchor.ots-differs", wanted, begins);
  reader.timestamp(begins, 0);
  form(reader.at === octets.length, "nothing more", octets.length - reader.at);
  const found = [...reader.blocks].sort((one, other) => Number(one.height - other.height))[0];
  if (found === undefined) throw new Undecided("anchor.ots-pending", "a block of Bitcoin", "a promise");
  return `Bitcoin block ${found.height}, Merkle root ${hex(found.root.slice().reverse())}`;
}

class OtsReader {
  at = 0;
  readonly blocks: { height: bigint; root: Bytes }[] = [];

  constructor(private readonly octets: Bytes) {}

  take(size: number): Bytes {
    const taken = this.octets.slice(this.at, this.at + size);
    form(taken.length === size, `${size} octets`, taken.length);
    this.at += size;
    return taken;
  }

  private number(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 63n; shift += 7n) {
      const octet = this.take(1)[0]!;
      value |= BigInt(octet & 0x7f) << shift;
      if (octet < 0x80) {
        form(octet > 0 || shift === 0n, "the shortest number", "a longer one");
        return value;
      }
    }
    throw new Malformed("anchor.malformed", "a number of at most 63 bits", "more");
  }

  timestamp(message: Bytes, depth: number): void {
    form(depth < 256, "at most 256 steps", "more");
    let tag = this.take(1)[0]!;
    while (tag === FORK) {
      this.step(this.take(1)[0]!, message, depth);
      tag = this.take(1)[0]!;
    }
    this.step(tag, message, depth);
  }

  private step(tag: number, message: Bytes, depth: number): void {
    if (tag === ATTESTATION) {
      this.attested(message);
      return;
    }
    require([SHA256, APPEND, PREPEND].includes(tag), Undecided, "anchor.ots-operation", "append, prepend, sha256", tag.toString(16));
    let next: Bytes;
    if (tag === SHA256) next = hashOf("sha256", message);
    else {
      const more = this.take(Number(this.number()));
      next = tag === APPEND ? concat(message, more) : concat(more, message);
    }
    form(next.length <= 4096, "4096 octets", next.length);
    this.timestamp(next, depth + 1);
  }

  private attested(message: Bytes): void {
    const kind = this.take(8);
    const size = Number(this.number());
    const end = this.at + size;
    if (!same(kind, BITCOIN)) {
      this.take(size);
      return;
    }
    const height = this.number();
    form(this.at === end && message.length === 32, "a height, of a root", "others");
    this.blocks.push({ height, root: message });
  }
}

function form(holds: boolean, expected: string, found: unknown): void {
  require(holds, Malformed, "anchor.malformed", expected, found);
}
