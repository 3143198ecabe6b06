// Time: microseconds since 1970 as a bigint, so that nothing is rounded. Papers spell it
// `2026-11-21T10:44:12.038Z`; years have bounds. As guzheng.proof.instant.

import { Malformed, require } from "./errors";

export type Instant = bigint;

export const SECOND = 1_000_000n;
const FIRST_YEAR = 1970;
const LAST_YEAR = 9998;

export const yearOf = (at: Instant): number => new Date(Number(at / 1000n)).getUTCFullYear();

export function requireYear(at: Instant): Instant {
  const year = at < 0n ? 1969 : yearOf(at);
  require(year >= FIRST_YEAR && year <= LAST_YEAR, Malformed, "instant.malformed", `a year from ${FIRST_YEAR} to ${LAST_YEAR}`, year);
  return at;
}

/** Microseconds of a real date; null for 30 February. */
export function ofParts(year: number, month: number, day: number, hour: number, minute: number, second: number, micros = 0): Instant | null {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const real =
    year > 0 && date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day &&
    date.getUTCHours() === hour && date.getUTCMinutes() === minute && date.getUTCSeconds() === second;
  return real ? BigInt(date.getTime()) * 1000n + BigInt(micros) : null;
}

export function encode(at: Instant): string {
  requireYear(at);
  return new Date(Number(at / 1000n)).toISOString();
}

export function parse(text: string): Instant {
  const form = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})Z$/.exec(text);
  if (!form) throw new Malformed("instant.malformed", "YYYY-MM-DDTHH:MM:SS.mmmZ", text.slice(0, 40));
  const [year, month, day, hour, minute, second, millis] = form.slice(1).map(Number) as [number, number, number, number, number, number, number];
  const at = ofParts(year, month, day, hour, minute, second, millis * 1000);
  if (at === null) throw new Malformed("instant.malformed", "a real date", text);
  return requireYear(at);
}

/** For a reader: `2026-11-21 18:44:12.038 (UTC+08:00)`. */
export function beijing(at: Instant): string {
  const text = new Date(Number(at / 1000n) + 8 * 3600_000).toISOString();
  return `${text.slice(0, 10)} ${text.slice(11, 23)} (UTC+08:00)`;
}
