// One record of the archive in page.wacz, unpacked where it is said to lie, its digest made
// again: WARC 1.1 (ISO 28500), gzip members, as guzheng.transcript.warc reads it.

import { sha256 } from "../proof/digest";
import { DigestMismatch, Inconsistent, Malformed, Undecided, require } from "../proof/errors";
import { latin1, type Bytes } from "../proof/octets";
import { bytesOf } from "../reading/members";
import type { Archived } from "./form";

const LARGEST = 64 << 20; // of a record that is unpacked here; larger ones are for the command
const LONGEST = 7900; // what is compared: the record cuts addresses at 8,000 characters
const FORM = "transcript.archive-malformed";

/** How many octets the body has, once everything that the trace says of it was found so. */
export async function requireArchived(file: Blob, said: Archived, url: string): Promise<number> {
  const where = `${said.file} at octet ${said.offset}`;
  if (said.length > LARGEST) throw new Undecided("step.input-missing", `a record of at most ${LARGEST} octets`, `${said.length}: ${where}`);
  const octets = await unpacked(file.slice(said.offset, said.offset + said.length), where);
  const [head, rest] = parted(octets, where);
  const lines = latin1(head).split("\r\n");
  const fields = new Map(lines.slice(1).map((one) => [one.slice(0, one.indexOf(":")).trim().toLowerCase(), one.slice(one.indexOf(":") + 1).trim()]));
  const whole = /^WARC\/1\.[01]$/.test(lines[0]!) && latin1(rest.subarray(Number(fields.get("content-length")))) === "\r\n\r\n";
  require(whole, Malformed, FORM, "a WARC record of its length", where);
  require(fields.get("warc-type") === "response", Inconsistent, "transcript.exchange-differs", "a response", `${fields.get("warc-type")}: ${where}`);
  const target = new TextDecoder().decode(Uint8Array.from(fields.get("warc-target-uri") ?? "", (one) => one.charCodeAt(0)));
  require(keyOf(target) === keyOf(url), Inconsistent, "transcript.exchange-differs", url, target);
  const [start, body] = parted(rest.subarray(0, rest.length - 4) as Bytes, where);
  const status = Number(/^HTTP\/[0-9.]{1,3} ([0-9]{3})(?: |\r|$)/.exec(latin1(start.subarray(0, 64)))?.[1] ?? 0);
  require(status === said.status, Inconsistent, "transcript.exchange-differs", said.status, status);
  const found = sha256(body);
  require(found === said.digest, DigestMismatch, "transcript.archive-altered", said.digest, `${found}: ${where}`);
  return body.length;
}

function parted(octets: Bytes, where: string): [Bytes, Bytes] {
  const [cr, lf] = [13, 10];
  for (let at = 0; at + 3 < octets.length; at++) {
    if (octets[at] === cr && octets[at + 1] === lf && octets[at + 2] === cr && octets[at + 3] === lf) return [octets.slice(0, at), octets.slice(at + 4)];
  }
  throw new Malformed(FORM, "a head and an empty line", where);
}

async function unpacked(packed: Blob, where: string): Promise<Bytes> {
  const parts: Bytes[] = [];
  let size = 0;
  try {
    const reader = packed.stream().pipeThrough(new DecompressionStream("gzip")).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      parts.push(value as Bytes);
      if (size <= LARGEST) continue;
      void reader.cancel().catch(() => undefined);
      throw new Undecided("step.input-missing", `a record of at most ${LARGEST} octets`, where);
    }
  } catch (error) {
    if (error instanceof Undecided) throw error;
    throw new Malformed(FORM, "a gzip member", `${where}: ${String(error).slice(0, 80)}`);
  }
  return bytesOf(new Blob(parts));
}

/** An address as guzheng.transcript.comparing spells it to compare: no fragment, no usual port. */
export function keyOf(url: string): string {
  const whole = url.split("#")[0]!;
  const at = whole.indexOf("://");
  const [given, rest] = at < 0 ? [whole, ""] : [whole.slice(0, at), whole.slice(at + 3)];
  const scheme = { ws: "http", wss: "https" }[given.toLowerCase()] ?? given.toLowerCase();
  const slash = rest.indexOf("/");
  let [host, path] = slash < 0 ? [rest, ""] : [rest.slice(0, slash), rest.slice(slash + 1)];
  const question = host.indexOf("?");
  if (slash < 0 && question >= 0) [host, path] = [host.slice(0, question), host.slice(question)];
  const usual = { http: ":80", https: ":443" }[scheme] ?? ":";
  const plain = host.toLowerCase();
  return `${scheme}://${plain.endsWith(usual) ? plain.slice(0, -usual.length) : plain}/${path}`.slice(0, LONGEST);
}
