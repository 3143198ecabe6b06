// A certificate's path to a root we were told to trust, at the time that is claimed, never now:
// RFC 5280 §6 for the few extensions that authorities use. As guzheng.proof.chain.

import { Refuted, UnknownKey, require } from "./errors";
import * as instant from "./instant";
import { BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE, KEY_USAGE, basicConstraints, extensionOf, isSignedBy, mayCertify, purposes, type Certificate } from "./x509";

const MAX_DEPTH = 6; // leaf, up to four intermediates, root
export const TIME_STAMPING = "1.3.6.1.5.5.7.3.8";
const UNDERSTOOD = new Set([BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE]);

/** RFC 3161 §2.3: the extended key usage is critical, and this is its only value. */
export function requireSoleCriticalPurpose(certificate: Certificate, purpose: string): void {
  const usage = extensionOf(certificate, EXTENDED_KEY_USAGE);
  const found = usage ? purposes(usage) : [];
  const fits = usage !== undefined && usage.critical && found.length === 1 && found[0] === purpose;
  require(fits, Refuted, "chain.purpose-wrong", `${purpose}, alone and critical`, `${found.join(", ")}, critical: ${usage?.critical ?? false}`);
}

/** The path from leaf to root, every certificate valid `at`. */
export async function requirePath(leaf: Certificate, others: Certificate[], roots: readonly Certificate[], at: instant.Instant): Promise<Certificate[]> {
  const pool = [...roots, ...others];
  const anchors = new Set(roots.map((one) => one.print));
  let refusal: Refuted | null = null;
  for await (const path of paths([leaf], pool, anchors)) {
    try {
      path.forEach((certificate, depth) => requireUsable(certificate, depth, at));
      return path;
    } catch (error) {
      if (!(error instanceof Refuted)) throw error;
      refusal ??= error;
    }
  }
  if (refusal !== null) throw refusal;
  throw new UnknownKey("chain.unknown-root", "a path to a root of the trust list", `issuer ${leaf.issuer.text}`);
}

async function* paths(path: Certificate[], pool: Certificate[], anchors: Set<string>): AsyncGenerator<Certificate[]> {
  const last = path[path.length - 1]!;
  if (anchors.has(last.print)) yield path;
  else if (path.length < MAX_DEPTH) {
    for (const issuer of await issuersOf(last, pool)) {
      if (!path.some((one) => one.print === issuer.print)) yield* paths([...path, issuer], pool, anchors);
    }
  }
}

const remembered = new Map<string, Promise<boolean>>();

/** Those of the pool that truly signed it; there may be namesakes that did not. */
async function issuersOf(certificate: Certificate, pool: Certificate[]): Promise<Certificate[]> {
  const found: Certificate[] = [];
  for (const one of pool) {
    if (one.subject.key !== certificate.issuer.key || found.some((other) => other.print === one.print)) continue;
    const pair = certificate.print + one.print;
    let signed = remembered.get(pair);
    if (signed === undefined) remembered.set(pair, (signed = isSignedBy(certificate, one)));
    if (await signed) found.push(one);
  }
  return found;
}

function requireUsable(certificate: Certificate, depth: number, at: instant.Instant): void {
  const { notBefore: first, notAfter: last } = certificate;
  const wanted = `${certificate.subject.text} valid at ${instant.encode(at)}`;
  require(first <= at, Refuted, "chain.not-yet-valid", wanted, new Date(Number(first / 1000n)).toISOString());
  require(at <= last, Refuted, "chain.expired-at-gentime", wanted, new Date(Number(last / 1000n)).toISOString());
  for (const one of certificate.extensions) {
    require(!one.critical || UNDERSTOOD.has(one.oid), Refuted, "chain.extension-unknown", "known critical extensions", one.oid);
  }
  if (depth > 0) requireIssuer(certificate, depth);
}

function requireIssuer(certificate: Certificate, depth: number): void {
  const wanted = `${certificate.subject.text} may issue at depth ${depth}`;
  const extension = extensionOf(certificate, BASIC_CONSTRAINTS);
  const constraints = extension && basicConstraints(extension);
  const may = constraints !== undefined && constraints.ca && (constraints.longest === null || BigInt(depth - 1) <= constraints.longest);
  require(may, Refuted, "chain.not-an-issuer", wanted, constraints ? `ca ${constraints.ca}, ${constraints.longest}` : "none");
  const usage = extensionOf(certificate, KEY_USAGE);
  require(usage === undefined || mayCertify(usage), Refuted, "chain.not-an-issuer", `${certificate.subject.text} with keyCertSign`, "without");
}
