// The paper that shows an entry in a ledger, offline: c2sp.org/tlog-proof@v1.

import { Malformed, require } from "./errors";
import { MAX_OCTETS, Note, parseCheckpoint, type Checkpoint } from "./note";
import { fromBase64, latin1, type Bytes } from "./octets";
import { HASH_SIZE, MAX_SIZE } from "./tree";

const HEADER = "c2sp.org/tlog-proof@v1";
const CODE = "tlogproof.malformed";
const MAX_PATH = 63;

export interface TlogProof {
  readonly index: bigint;
  readonly path: readonly Bytes[];
  readonly note: Note;
  readonly checkpoint: Checkpoint;
  readonly extra: Bytes | null;
}

export function parse(octets: Bytes): TlogProof {
  require(octets.length <= 2 * MAX_OCTETS, Malformed, CODE, `at most ${2 * MAX_OCTETS} octets`, octets.length);
  const at = latin1(octets).indexOf("\n\n");
  const head = octets.subarray(0, Math.max(at, 0));
  require(at >= 0 && head.every((one) => one < 0x80), Malformed, CODE, "ASCII, then the checkpoint", "other octets");
  const [first, ...lines] = latin1(head).split("\n");
  require(first === HEADER, Malformed, CODE, HEADER, first?.slice(0, 80));
  const extra = lines[0]?.startsWith("extra ") ? fromBase64(lines.shift()!.slice(6), CODE) : null;
  const match = /^index (0|[1-9][0-9]{0,18})$/.exec(lines.shift() ?? "");
  const fits = match !== null && BigInt(match[1]!) < MAX_SIZE && lines.length <= MAX_PATH;
  require(fits, Malformed, CODE, `an index line and at most ${MAX_PATH} hashes`, "another");
  const path = lines.map((line) => fromBase64(line, CODE));
  require(path.every((one) => one.length === HASH_SIZE), Malformed, CODE, `hashes of ${HASH_SIZE} octets`, path.map((one) => one.length));
  const note = Note.parse(octets.slice(at + 2));
  return { index: BigInt(match[1]!), path, note, checkpoint: parseCheckpoint(note.text), extra };
}
