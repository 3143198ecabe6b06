// The answer to what somebody brought, as `guzheng-verify` gives it: the same report, the same
// trust, the same three values. Everything wrong with what is checked becomes a finding.

import { parseObject, type JsonObject } from "./proof/canonical";
import * as digest from "./proof/digest";
import { ProofError } from "./proof/errors";
import * as instant from "./proof/instant";
import * as layout from "./proof/layout";
import { hex, sorted, type Bytes } from "./proof/octets";
import { parse as parseManifest } from "./proof/manifest";
import { namedFacts } from "./proof/pdf";
import * as policy from "./proof/policy";
import { faultOf, outcomeOf, type Finding, type Outcome } from "./proof/steps";
import * as timestamp from "./proof/timestamp";
import * as verify from "./proof/verify";
import { parseRoots, type Certificate } from "./proof/x509";
import * as reading from "./reading/members";
import { readToken, type TokenRead } from "./reading/tokens";
import { TRACE } from "./trace/form";

export type Subject = "pair" | "package" | "certificate";
export type Source = "given" | "package" | "none";

export interface Question {
  readonly file?: Blob | undefined; // the original, a package, or a certificate
  readonly token?: Blob | undefined;
  readonly folder?: ReadonlyMap<string, Blob> | undefined;
  readonly roots?: readonly Bytes[] | undefined; // PEM or DER, each one or more
  readonly policy?: Bytes | undefined;
  readonly strict?: boolean | undefined; // tokens in DER only, as the command demands
}

export interface Root {
  readonly print: string;
  readonly name: string;
  readonly until: string;
}

export interface TokenFacts {
  readonly attestedAt: string;
  readonly authority: string;
  readonly accuracyMilliseconds: number | null;
  readonly policy: string;
  readonly serial: string;
  readonly hash: string;
  readonly nonce: boolean;
  readonly spelling: TokenRead["spelling"];
  readonly bare: boolean;
}

export interface Verdict {
  readonly subject: Subject;
  readonly outcome: Outcome;
  readonly trusted: Source;
  readonly ledger: Source;
  readonly roots: readonly Root[];
  readonly attestedAt: readonly string[];
  readonly clockNotVerified: boolean;
  readonly findings: readonly Finding[];
  readonly digests: Readonly<Record<string, string>>; // of the file, as far as it was hashed
  readonly token: TokenFacts | null;
  readonly facts: readonly JsonObject[]; // certificate.json of each exhibit, when all passed
  readonly evidence: string; // of a package: the fingerprint that its label shows
  readonly printOf: string; // of a certificate alone: the digest of the facts it prints
  readonly traced: readonly Traced[];
}

/** An exhibit whose screenshot leads to the wire: docs/spec/trace.md. */
export interface Traced {
  readonly prefix: string;
  readonly exhibit: string;
  readonly name: string;
  readonly sealedAt: string | null; // only where every step of this exhibit passed
}

const PDF = "%PDF";

export async function isPdf(file: Blob): Promise<boolean> {
  return (await file.slice(0, 4).text()) === PDF;
}

/** `ready` must have been awaited: digest.ready. */
export async function verdictOf(asked: Question, progress: reading.Progress): Promise<Verdict> {
  const given = await trustOf(asked);
  try {
    if (asked.token !== undefined && asked.file !== undefined) return await pair(asked.file, asked.token, given, progress, asked.strict ?? false);
    if (asked.folder !== undefined) return await members(await reading.readFolder(asked.folder, progress), given);
    if (asked.file === undefined) throw new TypeError("nothing was given");
    if (await isPdf(asked.file)) return await certificate(asked.file, given);
    return await members(await reading.readZip(asked.file, progress), given);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    const findings = [faultOf("reading", "docs/spec/package.md §4", error)];
    return verdict("package", findings, given, { trusted: given.roots ? "given" : "none", ledger: "none" });
  }
}

interface Given {
  readonly roots: readonly Certificate[] | null;
  readonly ledger: policy.LedgerPolicy | null;
}

/** What the reader believes must be usable: a fault in it is no fault of the evidence. */
async function trustOf(asked: Question): Promise<Given> {
  const roots = asked.roots?.length ? (await Promise.all(asked.roots.map(parseRoots))).flat() : null;
  return { roots, ledger: asked.policy === undefined ? null : policy.parse(asked.policy) };
}

interface Further {
  readonly trusted?: Source;
  readonly ledger?: Source;
  readonly seals?: readonly Bytes[];
  readonly digests?: Record<string, string>;
  readonly token?: TokenFacts | null;
  readonly facts?: readonly JsonObject[];
  readonly evidence?: string;
  readonly printOf?: string;
  readonly traced?: readonly Traced[];
}

function verdict(subject: Subject, findings: readonly Finding[], believed: Given, more: Further): Verdict {
  const tokens = (more.seals ?? []).map(parsedOrNull).filter((one) => one !== null);
  return {
    subject,
    outcome: outcomeOf(findings),
    trusted: more.trusted ?? (believed.roots ? "given" : "none"),
    ledger: more.ledger ?? "none",
    roots: (believed.roots ?? []).map((one) => ({ print: one.print.slice(7), name: one.subject.text, until: instant.encode(one.notAfter) })),
    attestedAt: sorted(tokens.map((one) => instant.encode(one.attestedAt))),
    clockNotVerified: tokens.some((one) => one.policy === timestamp.CLOCK_NOT_VERIFIED),
    findings,
    digests: more.digests ?? {},
    token: more.token ?? null,
    facts: more.facts ?? [],
    evidence: more.evidence ?? "",
    printOf: more.printOf ?? "",
    traced: more.traced ?? [],
  };
}

function parsedOrNull(octets: Bytes): timestamp.TimestampToken | null {
  try {
    return timestamp.parse(octets);
  } catch (error) {
    if (error instanceof ProofError) return null; // its own step says so
    throw error;
  }
}

async function pair(file: Blob, tokenFile: Blob, given: Given, progress: reading.Progress, strict: boolean): Promise<Verdict> {
  const read = await readToken(tokenFile, strict);
  const token = parsedOrNull(read.octets);
  const names = [...new Set(["sha256", ...(token ? [token.imprintName] : [])])];
  const { hashes } = await reading.hashBlob(file, names, progress);
  const findings = await verify.verifyFile(hashes, read.octets, { ...given, authorities: 1 });
  const digests = Object.fromEntries([...hashes].map(([name, one]) => [name, hex(one)]));
  return verdict("pair", findings, given, { seals: [read.octets], digests, token: token && (await factsOf(token, read)) });
}

/** What the token says, whether it is to be believed or not. */
async function factsOf(token: timestamp.TimestampToken, read: TokenRead): Promise<TokenFacts> {
  let authority = "";
  try {
    authority = (await timestamp.requireSignature(token)).subject.text;
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
  }
  return {
    attestedAt: instant.encode(token.attestedAt),
    authority,
    accuracyMilliseconds: token.accuracy === null ? null : Number((token.accuracy + 999n) / 1000n),
    policy: token.policy,
    serial: token.serial.toString(16),
    hash: token.imprintName,
    nonce: token.nonce !== null,
    spelling: read.spelling,
    bare: read.bare,
  };
}

async function certificate(file: Blob, given: Given): Promise<Verdict> {
  const octets = await reading.bytesOf(file.slice(0, layout.MAX_PAPER + 1));
  const findings = await verify.verifyCertificate(octets, { ...given, ledger: null, authorities: 1 });
  const digests = { sha256: digest.sha256(octets).slice(7) };
  return verdict("certificate", findings, given, { digests, printOf: [...new Set(namedFacts(octets))].join(" ") });
}

/** A package brings its own trust; one exhibit's folder brings none. */
async function members(read: reading.Read, given: Given): Promise<Verdict> {
  const { papers, observed } = read;
  const faults: Finding[] = read.container ? [faultOf("package.container", "docs/spec/package.md §4", read.container)] : [];

  async function brought<T>(name: string, parse: (octets: Bytes) => T | Promise<T>): Promise<T | null> {
    const octets = papers.get(name);
    try {
      return octets === undefined ? null : await parse(octets);
    } catch (error) {
      if (!(error instanceof ProofError)) throw error;
      faults.push(faultOf("package.outer", "docs/spec/package.md §5", error, name));
      return null;
    }
  }

  const [roots, ledger] = [await brought(layout.ROOTS, parseRoots), await brought(layout.LEDGER_POLICY, policy.parse)];
  const trust = { roots: given.roots ?? roots, ledger: given.ledger ?? ledger, authorities: 1 };
  const single = papers.has(layout.MANIFEST);
  if (single) {
    papers.delete("order.json");
    observed.delete("order.json");
  }
  const judge = single ? verify.verifyExhibit : verify.verifyPackage;
  const findings = [...faults, ...(await judge(papers, observed, trust))];
  const seals = sorted([...papers.keys()].filter((one) => one.endsWith(layout.SEAL))).map((one) => papers.get(one)!);
  return verdict("package", findings, trust, {
    trusted: given.roots ? "given" : roots ? "package" : "none",
    ledger: given.ledger ? "given" : ledger ? "package" : "none",
    seals,
    facts: outcomeOf(findings) === "passed" ? factsIn(papers) : [],
    evidence: evidenceOf(papers),
    traced: tracedIn(papers, observed, findings),
  });
}

function tracedIn(papers: layout.Papers, observed: layout.Members, findings: readonly Finding[]): Traced[] {
  const prefixes = papers.has(layout.MANIFEST) ? [""] : layout.exhibitsIn(observed.keys()).map((one) => `${layout.EXHIBITS}${one}/`);
  return prefixes.flatMap((prefix) => {
    if (!observed.has(`${prefix}${layout.ITEMS}${TRACE}`)) return [];
    try {
      const manifest = parseManifest(papers.get(prefix + layout.MANIFEST) ?? new Uint8Array(0));
      if (manifest.kind !== "web") return []; // a file that somebody deposited may bear any name
      const own = findings.filter((one) => one.subject.startsWith(prefix));
      const seal = parsedOrNull(papers.get(prefix + layout.SEAL) ?? new Uint8Array(0));
      const sealedAt = seal && outcomeOf(own) === "passed" ? instant.encode(seal.attestedAt) : null;
      return [{ prefix, exhibit: manifest.exhibit, name: manifest.claimedName, sealedAt }];
    } catch (error) {
      if (!(error instanceof ProofError)) throw error;
      return []; // its own step says so
    }
  });
}

/** The digest over all originals and papers that a label shows; of one folder, its manifest's. */
function evidenceOf(papers: layout.Papers): string {
  const [listing, manifest] = [papers.get(layout.LISTING), papers.get(layout.MANIFEST)];
  try {
    if (listing !== undefined) return digest.sha256(layout.evidenceLines(layout.parseListing(listing))).slice(7);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
  }
  return manifest === undefined ? "" : digest.sha256(manifest).slice(7);
}

function factsIn(papers: layout.Papers): JsonObject[] {
  const names = sorted([...papers.keys()].filter((one) => one === layout.CERTIFICATE_JSON || one.endsWith(`/${layout.CERTIFICATE_JSON}`)));
  return names.map((one) => parseObject(papers.get(one)!));
}

