// Reading the fields of a parsed paper; papers are closed, so what is left over is refused.

import { isObject, type Json, type JsonObject } from "./canonical";
import { ALGORITHMS, parseDigest } from "./digest";
import { Malformed } from "./errors";
import * as instant from "./instant";
import { fromBase64, hex, lengthOf, unhex, type Bytes } from "./octets";

export class Fields {
  private readonly left: Map<string, Json>;

  constructor(value: Json | undefined, private readonly paper: string) {
    if (!isObject(value)) throw this.refusal("an object", value);
    this.left = new Map(Object.entries(value));
  }

  private refusal(expected: string, found: unknown, name = ""): Malformed {
    const shown = typeof found === "object" ? JSON.stringify(found, (_, one: unknown) => (typeof one === "bigint" ? String(one) : one)) : String(found);
    return new Malformed("paper.malformed", `${this.paper}${name && `.${name}`}: ${expected}`, (shown ?? "").slice(0, 80));
  }

  has(name: string): boolean {
    return this.left.has(name);
  }

  take(name: string): Json {
    const value = this.left.get(name);
    if (value === undefined) throw this.refusal("a value", "nothing", name);
    this.left.delete(name);
    return value;
  }

  text(name: string, longest = 4096): string {
    const value = this.take(name);
    if (typeof value !== "string" || lengthOf(value) > longest) throw this.refusal(`text of at most ${longest} characters`, value, name);
    return value;
  }

  textOrNull(name: string, longest = 4096): string | null {
    return this.has(name) ? this.text(name, longest) : null;
  }

  oneOf(name: string, allowed: readonly string[]): string {
    const value = this.take(name);
    if (typeof value !== "string" || !allowed.includes(value)) throw this.refusal(`one of ${allowed.join(", ")}`, value, name);
    return value;
  }

  count(name: string): number {
    const value = this.take(name);
    if (typeof value !== "number" || value < 0) throw this.refusal("an integer of 0 or more", value, name);
    return value;
  }

  instant(name: string): instant.Instant {
    return instant.parse(this.text(name, 24));
  }

  octets(name: string, size: number): Bytes {
    const text = this.text(name, 2 * size);
    const value = unhex(text);
    if (value?.length !== size || hex(value) !== text) throw this.refusal(`${size} octets in lower-case hexadecimal`, text, name);
    return value;
  }

  base64(name: string, size: number): Bytes {
    const text = this.text(name, 2 * size);
    let value: Bytes | null = null;
    try {
      value = fromBase64(text, "paper.malformed");
    } catch {
      value = null;
    }
    if (value?.length !== size) throw this.refusal(`${size} octets in base64`, text, name);
    return value;
  }

  items(name: string, most: number): Json[] {
    const value = this.take(name);
    if (!Array.isArray(value)) throw this.refusal("a list", value, name);
    if (value.length > most) throw this.refusal(`a list of at most ${most}`, value.length, name);
    return value;
  }

  texts(name: string, most = 1000): string[] {
    const values = this.items(name, most);
    const found = values.filter((one): one is string => typeof one === "string");
    if (found.length !== values.length) throw this.refusal("a list of texts", values, name);
    return found;
  }

  digests(name = "digests"): string[] {
    const found = this.texts(name, ALGORITHMS.length).map(parseDigest);
    const fits = found.length > 0 && found.every((one, at) => one.startsWith(`${ALGORITHMS[at]!}:`));
    if (!fits) throw this.refusal("sha256, then sm3", found, name);
    return found;
  }

  optional<T>(name: string, read: (value: Json) => T): T | null {
    return this.has(name) ? read(this.take(name)) : null;
  }

  end(): void {
    if (this.left.size) throw this.refusal("no further field", [...this.left.keys()].sort());
  }
}

export const objectOf = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});
