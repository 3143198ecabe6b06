// Reading the capture record; its table of fields is the kernel's own, from kernel.json.

import kernel from "../kernel.json";
import { parseObject, type Json, type JsonObject } from "./canonical";
import { parseDigest } from "./digest";
import { Malformed, require } from "./errors";
import { Fields } from "./fields";
import { readItem, requireExhibitName } from "./manifest";

import type { Bytes } from "./octets";

const PARTS: Record<string, string> = kernel.capture_parts;
const MAX_ENTRIES = 100_000;

export interface CaptureRecord {
  readonly fields: JsonObject;
  readonly failed: boolean;
  readonly shortfall: string[];
}

export function parse(octets: Bytes): CaptureRecord {
  const value = parseObject(octets);
  new Fields(value, "capture").oneOf("schema", ["guzheng.capture/1"]);
  const fields: JsonObject = Object.fromEntries(Object.entries(value).filter(([name]) => name !== "schema"));
  requireForm("record", fields, "capture");
  const failed = fields["outcome"] === "failed";
  const looked = "viewer" in fields;
  require(failed === "failure" in fields && (failed || looked), Malformed, "capture.outcome", "a failure when it failed, a viewer when it was captured", fields["outcome"]);
  const missing = fields["missing"] as string[];
  const word = missing.length ? "reduced" : "full";
  require(fields["grade"] === (looked ? word : undefined), Malformed, "capture.grade", word, fields["grade"]);
  const shortfall = "grade" in fields && missing.length ? ["grade.reduced", ...missing] : [];
  return { fields, failed, shortfall };
}

function requireForm(part: string, value: Json, paper: string): void {
  const fields = new Fields(value, paper);
  for (const word of PARTS[part]!.split(/\s+/).filter(Boolean)) {
    const colon = word.indexOf(":");
    const [name, form] = colon < 0 ? [word, ""] : [word.slice(0, colon), word.slice(colon + 1)];
    const bare = name.replace(/\?+$/, "");
    if (fields.has(bare) || !name.endsWith("?")) requireField(fields, bare, form);
  }
  fields.end();
}

function requireField(fields: Fields, name: string, form: string): void {
  if (form === "") fields.text(name, 8192);
  else if (form === "texts") fields.texts(name, MAX_ENTRIES);
  else if (form === "count") fields.count(name);
  else if (form === "instant") fields.instant(name);
  else if (form === "digest") parseDigest(fields.text(name, 80));
  else if (form === "digests") fields.texts(name).forEach(parseDigest);
  else if (form === "exhibit") requireExhibitName(fields.text(name));
  else if (form === "items") fields.items(name, 1000).forEach(readItem);
  else if (form in PARTS) requireForm(form, fields.take(name), `capture.${name}`);
  else if (form.endsWith("*")) {
    for (const one of fields.items(name, MAX_ENTRIES)) requireForm(form.replace(/\*+$/, ""), one, `capture.${name}`);
  } else fields.oneOf(name, form.split("|"));
}
