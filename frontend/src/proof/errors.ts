// Why a proof was refused: one family, stable codes (docs/codes.md). As guzheng.proof.errors.

export class ProofError extends Error {
  readonly expected: string;
  readonly found: string;

  constructor(readonly code: string, expected: unknown = "", found: unknown = "") {
    super(code);
    this.expected = spelled(expected);
    this.found = spelled(found);
  }
}

/** The octets are not in the one form their format allows. */
export class Malformed extends ProofError {}
/** Well-formed, and contradicts what it should prove. */
export class Refuted extends ProofError {}
export class DigestMismatch extends Refuted {}
export class NotIncluded extends Refuted {}
export class Inconsistent extends Refuted {}
export class BadSignature extends Refuted {}
/** Neither proved nor refuted: something needed for an answer is not at hand. */
export class Undecided extends ProofError {}
export class UnknownKey extends Undecided {}

type Kind = new (code: string, expected?: unknown, found?: unknown) => ProofError;

/** Refuse unless it holds. That alone decides; the rest is for a person. */
export function require(holds: boolean, otherwise: Kind, code: string, expected: unknown, found: unknown): asserts holds {
  if (!holds) throw new otherwise(code, expected, found);
}

function spelled(shown: unknown): string {
  if (shown instanceof Uint8Array) return [...shown.subarray(0, 200)].map((one) => one.toString(16).padStart(2, "0")).join("");
  return Array.isArray(shown) ? shown.map(spelled).join(", ") : String(shown);
}

/** What cannot be judged with what this browser has: never a refusal. */
export const UNSUPPORTED = "note.unsupported";
