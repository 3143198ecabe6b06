// The one spelling of JSON that is hashed: RFC 8785 without fractions. `parse` accepts only what
// `encode` would write. A reader of its own, since JSON.parse hides doubled keys and rounds.

import { Malformed, ProofError, require } from "./errors";
import { latin1, same, textOf, utf8, type Bytes } from "./octets";

export type Json = null | boolean | number | bigint | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

const MAX_DEPTH = 16;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export function encode(value: Json): Bytes {
  return utf8(spell(value, MAX_DEPTH));
}

export function parse(octets: Bytes): Json {
  requireShallow(octets);
  const text = textOf(octets);
  if (text === null) throw new Malformed("canonical.not-json", "JSON", "other octets than UTF-8");
  const value = new JsonReader(text).whole();
  const again = encode(value);
  require(same(again, octets), Malformed, "canonical.other-spelling", "the canonical spelling of RFC 8785", "another");
  return value;
}

export function parseObject(octets: Bytes): JsonObject {
  const value = parse(octets);
  if (!isObject(value)) throw new Malformed("canonical.not-object", "a JSON object", typeof value);
  return value;
}

function requireShallow(octets: Bytes): void {
  let depth = 0;
  for (const [found] of latin1(octets).matchAll(/"(?:[^"\\]|\\[\s\S])*"|[[\]{}]/g)) {
    if (found === "[" || found === "{") {
      depth += 1;
      require(depth <= MAX_DEPTH, Malformed, "canonical.too-deep", `at most ${MAX_DEPTH} levels`, "more");
    } else if (found === "]" || found === "}") depth -= 1;
  }
}

function spell(value: Json, depth: number): string {
  require(depth > 0, Malformed, "canonical.too-deep", `at most ${MAX_DEPTH} levels`, "more");
  if (value === null) return "null";
  if (typeof value === "boolean") return String(value);
  if (typeof value === "bigint" || typeof value === "number") {
    const fits = typeof value === "number" && Number.isSafeInteger(value);
    require(fits, Malformed, "canonical.integer-range", "|n| ≤ 2^53 - 1", String(value).slice(0, 40));
    return String(value);
  }
  if (typeof value === "string") return spellText(value);
  if (Array.isArray(value)) return `[${value.map((one) => spell(one, depth - 1)).join(",")}]`;
  // RFC 8785 §3.2.3: by UTF-16 code units, which is JavaScript's own order.
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${spellText(key)}:${spell(value[key]!, depth - 1)}`).join(",")}}`;
}

function spellText(text: string): string {
  require(!/\p{Surrogate}/u.test(text), Malformed, "canonical.surrogate", "Unicode text", "half a character");
  return JSON.stringify(text);
}

class JsonReader {
  private at = 0;

  constructor(private readonly text: string) {}

  whole(): Json {
    this.blank();
    const value = this.value();
    this.blank();
    if (this.at < this.text.length) throw this.refusal();
    return value;
  }

  private refusal(): ProofError {
    return new Malformed("canonical.not-json", "JSON", `something else at character ${this.at}`);
  }

  private blank(): void {
    while (/^[ \t\n\r]$/.test(this.text[this.at] ?? "")) this.at += 1;
  }

  private match(form: RegExp): string | null {
    form.lastIndex = this.at;
    const found = form.exec(this.text);
    if (!found) return null;
    this.at += found[0].length;
    return found[0];
  }

  private value(): Json {
    const first = this.text[this.at];
    if (first === "{") return this.object();
    if (first === "[") return this.array();
    if (first === '"') return this.string();
    for (const [word, meant] of [["null", null], ["true", true], ["false", false]] as const) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return meant;
      }
    }
    const number = this.match(/(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?/y);
    if (number === null) {
      const never = this.match(/NaN|-?Infinity/y);
      if (never !== null) throw new Malformed("canonical.fraction", "integers only", never);
      throw this.refusal();
    }
    require(/^-?[0-9]+$/.test(number), Malformed, "canonical.fraction", "integers only", number.slice(0, 40));
    if (number.length > 4300 && number.replace("-", "").length > 4300) throw this.refusal(); // as Python reads integers
    const value = Number(number);
    return Number.isSafeInteger(value) ? value + 0 : BigInt(number);
  }

  private object(): JsonObject {
    const found: [string, Json][] = [];
    this.at += 1;
    this.blank();
    if (this.text[this.at] === "}") this.at += 1;
    else {
      for (;;) {
        this.blank();
        if (this.text[this.at] !== '"') throw this.refusal();
        const key = this.string();
        this.blank();
        if (this.text[this.at++] !== ":") throw this.refusal();
        this.blank();
        found.push([key, this.value()]);
        this.blank();
        const next = this.text[this.at++];
        if (next === "}") break;
        if (next !== ",") throw this.refusal();
      }
    }
    const once = new Set(found.map(([key]) => key)).size === found.length;
    require(once, Malformed, "canonical.key-twice", "each key once", "a key twice");
    // Without a prototype: `__proto__` is a key like any other.
    const value: JsonObject = Object.create(null) as JsonObject;
    for (const [key, one] of found) value[key] = one;
    return value;
  }

  private array(): Json[] {
    const found: Json[] = [];
    this.at += 1;
    this.blank();
    if (this.text[this.at] === "]") {
      this.at += 1;
      return found;
    }
    for (;;) {
      this.blank();
      found.push(this.value());
      this.blank();
      const next = this.text[this.at++];
      if (next === "]") return found;
      if (next !== ",") throw this.refusal();
    }
  }

  private string(): string {
    const spelled = this.match(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y);
    if (spelled === null) throw this.refusal();
    return JSON.parse(spelled) as string;
  }
}
