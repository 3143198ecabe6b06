// A strict reader of DER (X.690 §8, §10): definite minimal lengths, tags below 31, minimal
// integers, nothing trailing. As guzheng.proof.der: two octet strings never read as one value.

import { Malformed, require } from "./errors";
import * as instant from "./instant";
import { hex, latin1, numberOf, type Bytes } from "./octets";

export const BOOLEAN = 0x01, INTEGER = 0x02, BIT_STRING = 0x03, OCTET_STRING = 0x04, NULL = 0x05, OID = 0x06;
export const UTF8_STRING = 0x0c, UTC_TIME = 0x17, GENERALIZED_TIME = 0x18, SEQUENCE = 0x30, SET = 0x31;

export const context = (number: number, constructed = true): number => (constructed ? 0xa0 : 0x80) | number;

export class Element {
  constructor(readonly tag: number, readonly content: Bytes, readonly encoded: Bytes) {}

  require(tag: number, what: string): this {
    require(this.tag === tag, Malformed, "der.tag", `${what}: tag 0x${tag.toString(16)}`, `0x${this.tag.toString(16)}`);
    return this;
  }

  reader(what: string): Reader {
    return new Reader(this.content, what);
  }

  /** Exactly the elements with these tags, in this order. */
  parts(what: string, ...tags: number[]): Element[] {
    const reader = this.reader(what);
    const elements = tags.map((tag) => reader.take(tag));
    reader.end();
    return elements;
  }
}

/** Exactly one element, and nothing after it. */
export function parse(octets: Bytes, tag: number, what: string): Element {
  const reader = new Reader(octets, what);
  const element = reader.take(tag);
  reader.end();
  return element;
}

export class Reader {
  private at = 0;

  constructor(private readonly content: Bytes, private readonly what: string) {}

  private refusal(expected: string, found: string): Malformed {
    return new Malformed("der.malformed", `${this.what}: ${expected}`, found);
  }

  get tag(): number | null {
    return this.at < this.content.length ? this.content[this.at]! : null;
  }

  take(tag?: number): Element {
    const { content, at: start } = this;
    if (content.length - start < 2) throw this.refusal("an element", "the end");
    const found = content[start]!;
    const first = content[start + 1]!;
    if ((found & 0x1f) === 0x1f) throw this.refusal("a tag below 31", found.toString(16));
    let body = start + 2;
    let length = first;
    if (first >= 0x80) {
      const width = first & 0x7f;
      const octets = content.subarray(body, body + width);
      length = Number(numberOf(octets));
      if (!(width >= 1 && width <= 4) || octets.length !== width || octets[0] === 0 || length < 0x80) {
        throw this.refusal("a definite, minimal length", hex(content.subarray(start, body + 4)));
      }
      body += width;
    }
    const end = body + length;
    if (end > content.length) throw this.refusal(`${length} octets of content`, String(content.length - body));
    this.at = end;
    const element = new Element(found, content.subarray(body, end), content.subarray(start, end));
    return tag === undefined ? element : element.require(tag, this.what);
  }

  optional(tag: number): Element | null {
    return this.tag === tag ? this.take(tag) : null;
  }

  all(tag: number): Element[] {
    const elements: Element[] = [];
    while (this.tag !== null) elements.push(this.take(tag));
    return elements;
  }

  end(): void {
    if (this.tag !== null) throw this.refusal("nothing more", `${this.content.length - this.at} octets`);
  }
}

export function integer(element: Element): bigint {
  const { content } = element.require(INTEGER, "INTEGER");
  const odd = content.length > 1 && (content[0] === 0 || content[0] === 0xff);
  const whole = content.length > 0 && content.length <= 64 && !(odd && content[0]! >> 7 === content[1]! >> 7);
  require(whole, Malformed, "der.malformed", "a minimal INTEGER", content.subarray(0, 20));
  return BigInt.asIntN(8 * content.length, numberOf(content));
}

export function boolean(element: Element): boolean {
  const { content } = element.require(BOOLEAN, "BOOLEAN");
  const known = content.length === 1 && (content[0] === 0 || content[0] === 0xff);
  require(known, Malformed, "der.malformed", "BOOLEAN of 00 or FF", content.subarray(0, 4));
  return content[0] === 0xff;
}

export function oid(element: Element): string {
  const { content } = element.require(OID, "OBJECT IDENTIFIER");
  const whole = content.length > 0 && content.length <= 64 && content[content.length - 1]! < 0x80;
  require(whole, Malformed, "der.malformed", "an OBJECT IDENTIFIER", content.subarray(0, 20));
  const arcs: bigint[] = [];
  let value = 0n;
  let fresh = true;
  for (const octet of content) {
    require(!(fresh && octet === 0x80), Malformed, "der.malformed", "minimal arcs", content);
    value = (value << 7n) | BigInt(octet & 0x7f);
    fresh = octet < 0x80;
    if (fresh) {
      arcs.push(value);
      value = 0n;
    }
  }
  const first = arcs[0]! < 80n ? arcs[0]! / 40n : 2n;
  return [first, arcs[0]! - 40n * first, ...arcs.slice(1)].join(".");
}

/** UTC, seconds always, no trailing zeros in the fraction: X.690 §11.7. */
export function generalizedTime(element: Element): instant.Instant {
  const text = latin1(element.require(GENERALIZED_TIME, "GeneralizedTime").content);
  const form = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,9}))?Z$/.exec(text);
  if (!form || form[7]?.endsWith("0")) throw new Malformed("der.malformed", "YYYYMMDDhhmmss[.f]Z", text.slice(0, 40));
  const [year, month, day, hour, minute, second] = form.slice(1, 7).map(Number) as [number, number, number, number, number, number];
  const whole = instant.ofParts(year, month, day, hour, minute, second);
  if (whole === null) throw new Malformed("der.malformed", "a real date", text);
  instant.requireYear(whole);
  return whole + BigInt((form[7] ?? "0").padEnd(9, "0")) / 1000n;
}
