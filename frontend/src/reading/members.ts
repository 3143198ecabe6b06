// Reading a package from a zip or a folder: every member hashed, papers kept, all bounded. As
// guzheng.verifier.reading: containers are hostile until read, and nothing of them is believed.
// A blob is read slice by slice; no member is ever unpacked beyond what it states.

import kernel from "../kernel.json";
import { hashOf, newHasher } from "../proof/digest";
import { Malformed, ProofError, Refuted, Undecided } from "../proof/errors";
import * as layout from "../proof/layout";
import { hex, latin1, same, sorted, textOf, type Bytes } from "../proof/octets";

export const BLOCK = 4 << 20;

/** Octets that were read since the last call. */
export type Progress = (octets: number) => void;

export interface Read {
  readonly papers: Map<string, Bytes>;
  readonly observed: Map<string, layout.Observed>;
  container: Undecided | null;
}

export async function bytesOf(blob: Blob): Promise<Bytes> {
  return new Uint8Array(await blob.arrayBuffer());
}

type Stream = AsyncGenerator<Bytes>;

const AHEAD = 4;

/** The next slices are read while this one is hashed: each is fetched from another process. */
async function* slices(blob: Blob): Stream {
  const coming: Promise<Bytes>[] = [];
  let asked = 0;
  const ask = (): void => {
    for (; coming.length < AHEAD && asked < blob.size; asked += BLOCK) {
      const next = bytesOf(blob.slice(asked, asked + BLOCK));
      next.catch(() => undefined); // told when it is its turn; by then another may have ended it
      coming.push(next);
    }
  };
  for (ask(); coming.length; ask()) yield await coming.shift()!;
}

/** Hashes of one stream under these names, read once. */
export async function hashesOf(stream: Stream, names: readonly string[], progress: Progress): Promise<{ size: number; hashes: Map<string, Bytes> }> {
  const hashers = await Promise.all(names.map(async (name) => [name, await newHasher(name)] as const));
  let size = 0;
  for await (const block of stream) {
    for (const [, hasher] of hashers) hasher.update(block);
    size += block.length;
    progress(block.length);
  }
  return { size, hashes: new Map(hashers.map(([name, hasher]) => [name, hasher.digest("binary") as Bytes])) };
}

// WebCrypto is three to five times as fast, and wants all of it at once.
const AT_ONCE = 128 << 20;
const NATIVE: Record<string, string> = { sha256: "SHA-256", sha384: "SHA-384", sha512: "SHA-512" };

export async function hashBlob(blob: Blob, names: readonly string[], progress: Progress): ReturnType<typeof hashesOf> {
  const subtle = (globalThis.crypto as Crypto | undefined)?.subtle;
  if (!subtle || blob.size > AT_ONCE || blob.size < BLOCK || names.some((one) => !(one in NATIVE))) return hashesOf(slices(blob), names, progress);
  const octets = await bytesOf(blob);
  const hashes = new Map<string, Bytes>();
  for (const name of names) hashes.set(name, new Uint8Array(await subtle.digest(NATIVE[name]!, octets)));
  progress(octets.length);
  return { size: octets.length, hashes };
}

class Taking {
  readonly read: Read = { papers: new Map(), observed: new Map(), container: null };
  private room = layout.MAX_PAPERS;
  private readonly names: readonly string[];

  constructor(members: readonly string[], private readonly progress: Progress) {
    // A renewal may have been made under SHA-512.
    this.names = members.some((one) => one.includes(layout.RENEWALS)) ? ["sha256", "sha512"] : ["sha256"];
  }

  async take(name: string, held: Blob | Stream, size: number): Promise<void> {
    if (layout.isPaper(name)) {
      const octets = await this.whole(name, held instanceof Blob ? slices(held) : held);
      this.read.papers.set(name, octets);
      this.read.observed.set(name, { size: octets.length, sha256: `sha256:${hex(hashOf("sha256", octets))}`, sm3: null, sha512: null });
      return;
    }
    const found = await (held instanceof Blob ? hashBlob(held, this.names, this.progress) : hashesOf(held, this.names, this.progress));
    if (found.size !== size) throw new Refuted("package.member-unreadable", `${size} octets`, `${found.size} in ${name}`);
    this.read.observed.set(name, {
      size: found.size, sha256: `sha256:${hex(found.hashes.get("sha256")!)}`, sm3: null, sha512: found.hashes.get("sha512") ?? null,
    });
  }

  private async whole(name: string, stream: Stream): Promise<Bytes> {
    const most = Math.min(layout.MAX_PAPER, this.room);
    const parts: Bytes[] = [];
    let size = 0;
    for await (const block of stream) {
      size += block.length;
      if (size > most) throw new Refuted("package.paper-too-large", `at most ${layout.MAX_PAPER} octets, ${layout.MAX_PAPERS} in all`, name);
      parts.push(block);
      this.progress(block.length);
    }
    this.room -= size;
    return bytesOf(new Blob(parts));
  }
}

function requireFew(count: number): void {
  if (count > layout.MAX_MEMBERS) throw new Refuted("package.too-many-members", `at most ${layout.MAX_MEMBERS}`, count);
}

// ---- a folder --------------------------------------------------------------------------------

export async function readFolder(files: ReadonlyMap<string, Blob>, progress: Progress): Promise<Read> {
  requireFew(files.size);
  const names = sorted(files.keys());
  const taking = new Taking(names, progress);
  for (const name of names) {
    layout.requireMemberName(name);
    await taking.take(name, files.get(name)!, files.get(name)!.size);
  }
  return taking.read;
}

// ---- a zip: PKWARE APPNOTE 6.3.10 ------------------------------------------------------------

const CODE = "package.container-malformed";
const END = 22, CENTRAL = 46, LOCAL = 30;
const STORED = 0, DEFLATED = 8;
// What names are in that are not said to be UTF-8: APPNOTE appendix D.
const CP437 =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

interface Entry {
  readonly name: string;
  readonly rawName: Bytes;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly packedSize: number;
  readonly size: number;
  readonly mode: number;
  readonly offset: number;
}

const unreadable = (found: string): Malformed => new Malformed(CODE, "a readable zip", found);

export async function readZip(blob: Blob, progress: Progress): Promise<Read> {
  let taking: Taking;
  try {
    const [entries, directory] = await directoryOf(blob);
    taking = new Taking(entries.map((one) => one.name), progress);
    requireBounds(entries, blob.size);
    const ends = endsOf(entries, directory);
    for (const entry of entries) {
      requirePlain(entry);
      await taking.take(entry.name, await memberOf(blob, entry, ends.get(entry.offset)!), entry.size);
    }
    taking.read.container = await faultOfForm(blob, entries);
  } catch (error) {
    if (error instanceof ProofError) throw error;
    throw unreadable(error instanceof Error ? error.message.slice(0, 120) : "an error");
  }
  return taking.read;
}

/** Gives single members by name, each read as above; null for what is not there. */
export type Opener = (name: string, most: number) => Promise<Blob | null>;

export async function openerOf(held: Blob | ReadonlyMap<string, Blob>): Promise<Opener> {
  if (!(held instanceof Blob)) {
    return async (name, most) => {
      requireSmall(name, held.get(name)?.size ?? 0, most);
      return held.get(name) ?? null;
    };
  }
  const [entries, directory] = await directoryOf(held);
  requireBounds(entries, held.size);
  const ends = endsOf(entries, directory);
  return async (name, most) => {
    const entry = entries.find((one) => one.name === name);
    if (entry === undefined) return null;
    requirePlain(entry);
    requireSmall(name, entry.size, most);
    const found = await memberOf(held, entry, ends.get(entry.offset)!);
    if (found instanceof Blob) return found;
    const parts: Bytes[] = [];
    for await (const block of found) parts.push(block);
    return new Blob(parts);
  };
}

function requireSmall(name: string, size: number, most: number): void {
  if (size > most) throw new Undecided("step.input-missing", `at most ${most} octets`, `${size} in ${name}`);
}

const viewOf = (octets: Bytes): DataView => new DataView(octets.buffer, octets.byteOffset, octets.byteLength);

async function at(blob: Blob, start: number, size: number): Promise<Bytes> {
  if (!(start >= 0) || !Number.isSafeInteger(start)) throw unreadable("an offset outside the file");
  return bytesOf(blob.slice(start, start + size));
}

async function directoryOf(blob: Blob): Promise<[Entry[], number]> {
  const tailStart = Math.max(blob.size - END - 0xffff, 0);
  const tail = await at(blob, tailStart, END + 0xffff);
  const found = latin1(tail).lastIndexOf("PK\x05\x06");
  if (found < 0 || found + END > tail.length) throw unreadable("File is not a zip file");
  const end = viewOf(tail.slice(found, found + END));
  let [count, size, offset, endAt] = [end.getUint16(10, true), end.getUint32(12, true), end.getUint32(16, true), tailStart + found];
  const locator = endAt >= 20 ? await at(blob, endAt - 20, 20) : new Uint8Array(0);
  if (latin1(locator.subarray(0, 4)) === "PK\x06\x07" && endAt >= 76) {
    const wide = await at(blob, endAt - 76, 56);
    if (latin1(wide.subarray(0, 4)) === "PK\x06\x06") {
      const view = viewOf(wide);
      [count, size, offset] = [32, 40, 48].map((place) => Number(view.getBigUint64(place, true))) as [number, number, number];
      endAt -= 76;
    }
  }
  const before = endAt - size - offset; // octets that stand before the archive
  if (before + offset < 0 || size > blob.size) throw unreadable("Bad offset for central directory");
  const directory = await at(blob, before + offset, size);
  const entries: Entry[] = [];
  for (let place = 0; place < size; ) {
    const [entry, next] = entryAt(directory, place, before);
    entries.push(entry);
    place = next;
    if (entries.length > 2 * layout.MAX_MEMBERS) requireFew(entries.length);
  }
  return [count >= 0 ? entries : [], before + offset];
}

/** Where each must have ended: at the next one, or at the directory. */
function endsOf(entries: readonly Entry[], directory: number): Map<number, number> {
  const starts = [...new Set(entries.map((one) => one.offset))].sort((one, other) => one - other);
  return new Map(starts.map((one, place) => [one, starts[place + 1] ?? directory]));
}

function entryAt(directory: Bytes, place: number, before: number): [Entry, number] {
  const fixed = directory.slice(place, place + CENTRAL);
  if (fixed.length < CENTRAL) throw unreadable("Truncated central directory");
  const view = viewOf(fixed);
  if (view.getUint32(0, true) !== 0x02014b50) throw unreadable("Bad magic number for central directory");
  const short = (offset: number): number => view.getUint16(offset, true);
  const long = (offset: number): number => view.getUint32(offset, true);
  const [nameSize, extraSize, commentSize] = [short(28), short(30), short(32)];
  const rawName = directory.slice(place + CENTRAL, place + CENTRAL + nameSize);
  const extra = directory.slice(place + CENTRAL + nameSize, place + CENTRAL + nameSize + extraSize);
  if ((short(6) & 0xff) > 63) throw unreadable(`zip file version ${short(6)}`);
  const wide = wideOf(extra, { size: long(24), packedSize: long(20), offset: long(42) });
  const text = (short(8) & 0x800) !== 0 ? textOf(rawName) : [...rawName].map((one) => (one < 0x80 ? String.fromCharCode(one) : CP437[one - 0x80]!)).join("");
  if (text === null) throw unreadable("a name that is not UTF-8");
  const name = text.split("\0")[0]!;
  const entry = { name, rawName, flags: short(8), method: short(10), crc: long(16), mode: long(38) >>> 16, ...wide, offset: wide.offset + before };
  return [entry, place + CENTRAL + nameSize + extraSize + commentSize];
}

interface Wide {
  size: number;
  packedSize: number;
  offset: number;
}

/** Zip64 numbers, where the short ones say that they are there. */
function wideOf(extra: Bytes, short: Wide): Wide {
  const found = { ...short };
  for (let place = 0; place + 4 <= extra.length; ) {
    const view = viewOf(extra.slice(place));
    const [kind, length] = [view.getUint16(0, true), view.getUint16(2, true)];
    if (length + 4 > extra.length - place) throw unreadable("Corrupt extra field");
    if (kind === 1) {
      let inside = 4;
      for (const which of ["size", "packedSize", "offset"] as const) {
        if (found[which] !== 0xffffffff) continue;
        if (inside + 8 > length + 4) throw unreadable("Corrupt zip64 extra field");
        found[which] = Number(view.getBigUint64(inside, true));
        inside += 8;
      }
    }
    place += length + 4;
  }
  return found;
}

function requireBounds(entries: readonly Entry[], size: number): void {
  requireFew(entries.length);
  const total = entries.reduce((sum, one) => sum + one.size, 0);
  if (total > kernel.max_total || total > kernel.max_ratio * Math.max(size, 1)) {
    throw new Refuted("package.zip-bomb", `at most ${kernel.max_ratio} times ${size} octets`, `${total} octets unpacked`);
  }
  if (new Set(entries.map((one) => one.name)).size !== entries.length) throw new Refuted("package.member-twice", "each name once", "a name twice");
}

function requirePlain(entry: Entry): void {
  layout.requireMemberName(entry.name);
  if (entry.method !== STORED && entry.method !== DEFLATED) throw new Malformed(CODE, "stored or deflated members", `${entry.name}: method ${entry.method}`);
  if (entry.flags & 1) throw new Malformed(CODE, "members that are not encrypted", entry.name);
  if (entry.name.endsWith("/") || (entry.mode !== 0 && (entry.mode & 0o170000) !== 0o100000)) {
    throw new Refuted("package.member-unreadable", "a plain file", `${entry.name}: not a file`);
  }
}

/** The octets of one member, never more than it states, nor beyond where it must end. */
async function memberOf(blob: Blob, entry: Entry, end: number): Promise<Blob | Stream> {
  const header = await at(blob, entry.offset, LOCAL);
  if (header.length < LOCAL) throw new Malformed(CODE, "a local header", entry.name);
  const view = viewOf(header);
  const start = entry.offset + LOCAL + view.getUint16(26, true) + view.getUint16(28, true);
  if (entry.method !== STORED && start + entry.packedSize > end) throw new Malformed(CODE, "packed members that do not overlap", entry.name);
  if (entry.method === STORED && entry.packedSize !== entry.size) throw new Malformed(CODE, "a local header", entry.name);
  if (entry.method === STORED) return blob.slice(start, start + entry.size);
  if (view.getUint32(0, true) !== 0x04034b50) throw unreadable("Bad magic number for file header");
  if (entry.flags & 0x60) throw unreadable("compressed patched data, or strong encryption");
  const named = await at(blob, entry.offset + LOCAL, view.getUint16(26, true));
  if (!same(named, entry.rawName)) throw unreadable("File name in directory and header differ");
  return inflated(blob.slice(start, start + entry.packedSize), entry);
}

async function* inflated(packed: Blob, entry: Entry): Stream {
  const reader = packed.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  let left = entry.size;
  let crc = 0xffffffff;
  for (;;) {
    const { done, value } = await reader.read();
    if (done || left === 0) break;
    const block = value.slice(0, left) as Bytes;
    left -= block.length;
    crc = crcOf(block, crc);
    yield block;
  }
  void reader.cancel().catch(() => undefined);
  if ((crc ^ 0xffffffff) >>> 0 !== entry.crc) throw unreadable(`Bad CRC-32 for file ${entry.name}`);
}

const CRC_TABLE = new Uint32Array(256).map((_, one) => {
  let value = one;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crcOf(octets: Bytes, before: number): number {
  let crc = before;
  for (const one of octets) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ one) & 0xff]!;
  return crc;
}

/** Null when the container is, octet by octet, the one that docs/spec/package.md describes. */
async function faultOfForm(blob: Blob, entries: readonly Entry[]): Promise<Undecided | null> {
  const fault = new Undecided("package.container-rewritten", "the zip as the platform wrote it", "another container round the members; unpack it and check the folder");
  let place = 0;
  for (const entry of entries) {
    const header = layout.localHeader(entry);
    if (!same(await at(blob, place, header.length), header)) return fault;
    place += header.length + entry.size;
  }
  const names = entries.map((one) => one.name);
  const wanted = [...sorted(new Set(names.filter((one) => one !== layout.LISTING))), layout.LISTING];
  const directory = layout.directoryOf(entries);
  const fits = names.length === wanted.length && names.every((one, index) => one === wanted[index]);
  return fits && same(await at(blob, place, directory.length + 1), directory) ? null : fault;
}

