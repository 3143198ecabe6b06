// The numbered steps by which a stranger checks an exhibit, from its papers alone: those of
// guzheng.proof.exhibit, in its order. The rule of each step stands in kernel.json.

import * as anchors from "./anchors";
import * as capturePaper from "./capture";
import { hashOf, sha256 } from "./digest";
import { DigestMismatch, Inconsistent, Malformed, ProofError, Refuted, Undecided, UnknownKey, require } from "./errors";
import * as facts from "./facts";
import * as instant from "./instant";
import * as layout from "./layout";
import * as manifestPaper from "./manifest";
import { BEFORE, checkMoments } from "./moments";
import { Note } from "./note";
import { same, sorted, unhex, type Bytes } from "./octets";
import * as pdf from "./pdf";
import { requireQuorum, type Trust } from "./policy";
import * as renewal from "./renewal";
import { Steps, need, type Finding } from "./steps";
import * as timestamp from "./timestamp";
import * as tlogproof from "./tlogproof";
import * as tree from "./tree";
import type { Certificate } from "./x509";

const CLOCKS_APART = 60n * instant.SECOND; // a larger gap between two clocks must be seen

interface Stamp {
  readonly token: timestamp.TimestampToken | null;
  readonly signer: Certificate | null;
  readonly path: readonly Certificate[] | null;
}

type Stamps = ReadonlyMap<string, Stamp>;

export async function verifyExhibit(papers: layout.Papers, observed: layout.Members, trust: Trust, folder: string | null = null, prefix = ""): Promise<Finding[]> {
  const held = new Exhibit(papers, observed, trust, new Steps(prefix));
  await held.verify(folder);
  return held.steps.findings;
}

class Exhibit {
  constructor(readonly papers: layout.Papers, readonly observed: layout.Members, readonly trust: Trust, readonly steps: Steps) {}

  private paper(name: string): Bytes {
    return need(this.papers.get(name), name);
  }

  async verify(folder: string | null): Promise<void> {
    const { steps } = this;
    const manifest = await steps.check("manifest.form", () => this.manifest(folder), layout.MANIFEST); // (1)
    await steps.check("exhibit.members", () => this.requireMembers(need(manifest, layout.MANIFEST)));
    await this.checkItems(manifest); // (2), (3)
    for (const item of manifest?.items ?? []) {
      if (item.role === "original") await this.checkStamp(`${layout.TOKENS}${item.name}.tsa`, "token", item.digests[0]!); // (4), (6)
    }
    const seals = new Map<string, Stamp>();
    for (const name of layout.sealsOf(this.observed.keys())) seals.set(name, await this.checkStamp(name, "seal")); // (5)
    const stamps = await this.checkMoments(seals);
    const [entry, witnesses] = await this.checkEntry(); // (7) to (10)
    await steps.check("order", () => requireOrder(need(manifest, layout.MANIFEST), seals, entry)); // (11)
    await steps.check("certificate.content", () => this.requireDerived(seals, stamps, entry, witnesses), layout.CERTIFICATE_JSON); // (12)
    await steps.check("certificate.signature", () => this.requirePrint(), layout.CERTIFICATE_PDF);
    await this.checkFurther(entry); // (13)
    if (this.trust.authorities > 1 || [...seals.values()].some((one) => one.path !== null)) {
      await steps.check("authorities", () => authorities(seals, this.trust.authorities), layout.MANIFEST); // (14)
    }
  }

  private manifest(folder: string | null): manifestPaper.Manifest {
    const manifest = manifestPaper.parse(this.paper(layout.MANIFEST));
    require(folder === null || manifest.exhibit === folder, Inconsistent, "exhibit.folder-differs", manifest.exhibit, folder);
    return manifest;
  }

  private requireMembers(manifest: manifestPaper.Manifest): void {
    layout.requireMembers(layout.papersOf(manifest), [...this.observed.keys()].filter((name) => !layout.isOptional(name)));
  }

  private async checkItems(manifest: manifestPaper.Manifest | null): Promise<void> {
    if (manifest === null) await this.steps.check("item.digest", () => need(null, layout.MANIFEST));
    else if (manifest.kind !== "hash-only") {
      for (const item of manifest.items) {
        const name = layout.ITEMS + item.name;
        await this.steps.check("item.digest", () => requireItem(item, name, this.observed.get(name)), name);
      }
    }
    const capture = manifest?.capture ?? null;
    if (manifest !== null && capture !== null) {
      await this.steps.check("capture.digest", () => this.sameCapture(capture, manifest.kind), layout.CAPTURE);
    }
  }

  private sameCapture(named: manifestPaper.Extent, kind: string): string {
    const octets = this.paper(layout.CAPTURE);
    manifestPaper.requireExtent(named, octets, layout.CAPTURE);
    let record: capturePaper.CaptureRecord;
    try {
      record = capturePaper.parse(octets);
    } catch (error) {
      if (error instanceof ProofError) return ""; // its form is for whoever reads it
      throw error;
    }
    require(record.failed === (kind === manifestPaper.ATTEMPT), Inconsistent, "capture.kind-differs", kind, record.fields["outcome"]);
    return record.shortfall.join("; ");
  }

  /** The three steps of a timestamp: over SHA-256 `over`, or over the manifest. */
  private async checkStamp(name: string, step: string, over: string | null = null): Promise<Stamp> {
    const { steps } = this;
    const token = await steps.check(`${step}.imprint`, () => {
      const found = timestamp.parse(this.paper(name));
      if (over !== null) timestamp.requireImprint(found, unhex(over.slice(7))!, "sha256");
      else {
        const hash = found.imprintName === "sm3" ? "sm3" : "sha256";
        timestamp.requireImprint(found, hashOf(hash, this.paper(layout.MANIFEST)), hash);
      }
      return found;
    }, name);
    const signer = await steps.check(`${step}.signature`, () => timestamp.requireSignature(need(token, name)), name);
    const path = await steps.check(`${step}.trust`, () => requireTrusted(token, signer, this.trust), name);
    return { token, signer, path };
  }

  private async checkMoments(seals: Stamps): Promise<Stamps> {
    const stamps = new Map<string, Stamp>();
    const sealedAt = seals.get(layout.SEAL)?.token?.attestedAt ?? null;
    await checkMoments(this.steps, this.papers, this.trust.ledger, async (name, over) => {
      const found = await this.checkStamp(name, "moment", over);
      stamps.set(name, found);
      return found.token && found.signer ? found.token.attestedAt : null;
    }, sealedAt, CLOCKS_APART);
    return stamps;
  }

  private leaf(): Bytes {
    const wanted = manifestPaper.leafOf(this.paper(layout.MANIFEST), this.paper(layout.SEAL));
    const found = this.paper(layout.LEAF);
    require(same(found, wanted), DigestMismatch, "leaf.differs", wanted, found.subarray(0, 64));
    return found;
  }

  private entry(leaf: Bytes, name: string): tlogproof.TlogProof {
    const entry = tlogproof.parse(this.paper(name));
    const at = entry.checkpoint;
    tree.requireIncluded(tree.leafHash(leaf), entry.index, at.size, entry.path, at.root);
    require(entry.extra === null, Malformed, "entry.extra", "no unsigned extra data", "octets");
    return entry;
  }

  /** The entry, and the names of the witnesses who cosigned its checkpoint. */
  private async checkEntry(): Promise<[tlogproof.TlogProof | null, string[] | null]> {
    const { steps, trust } = this;
    const name = layout.ENTRY;
    const leaf = await steps.check("leaf", () => this.leaf(), layout.LEAF);
    const entry = await steps.check("entry.inclusion", () => this.entry(need(leaf, layout.LEAF), name), name);
    const signed = await steps.check("entry.checkpoint", () => signedBy(need(entry, name), trust), name);
    const believed = signed !== null ? entry : null;
    await steps.check("entry.quorum", async () => {
      const demanded = need(trust.ledger, "a ledger policy");
      const cosigned = await requireQuorum(demanded, need(believed, "a checkpoint that is believed").note);
      return cosigned.map((one) => `${one.witness.key.name}: ${instant.encode(one.attestedAt)}`).join("; ");
    }, name);
    return [entry, signed];
  }

  private async requireDerived(seals: Stamps, stamps: Stamps, entry: tlogproof.TlogProof | null, witnesses: string[] | null): Promise<void> {
    const factsJson = this.paper(layout.CERTIFICATE_JSON);
    const logged = need(entry, layout.ENTRY);
    const believed = need(witnesses, "a checkpoint that is believed");
    const cosigned = new Set(logged.note.signatures.map((one) => one.name));
    const [named, further] = facts.namesIn(factsJson);
    const manifestJson = this.paper(layout.MANIFEST);
    const seal = sound(seals, layout.SEAL);
    const others = new Map(further.map((name) => [name, sound(seals, name)]));
    const moments = await this.moments(stamps, factsJson);
    const record = this.papers.get(layout.CAPTURE);
    const capture = record === undefined ? null : capturePaper.parse(record);
    const wanted = facts.encode(facts.derive(manifestJson, capture, seal, logged, sorted(new Set(named.filter((one) => cosigned.has(one)))), others, moments));
    require(same(factsJson, wanted), Inconsistent, "certificate.differs", `what the papers say: ${sha256(wanted)}`, sha256(factsJson));
    const unknown = sorted(new Set(named.filter((one) => !believed.includes(one))));
    require(!unknown.length, UnknownKey, "certificate.witness-unknown", "witnesses that the verifier believes", unknown);
  }

  private async moments(stamps: Stamps, factsJson: Bytes): Promise<facts.Moments> {
    const found = new Map([...stamps.keys()].map((name) => [name, sound(stamps, name)]));
    const before = this.papers.get(BEFORE);
    if (before === undefined || this.trust.ledger === null) return { stamps: found, before: null, witnesses: [] };
    const note = Note.parse(before);
    const believed = await note.findSigned(this.trust.ledger.witnesses.map((one) => one.key));
    const cosigned = new Set([...believed.values()].map((one) => one.key.name));
    const named = sorted(new Set(facts.boundedBy(factsJson).filter((one) => cosigned.has(one))));
    return { stamps: found, before: note, witnesses: named };
  }

  private async requirePrint(): Promise<void> {
    const printed = this.paper(layout.CERTIFICATE_PDF);
    await requireSignedPdf(printed, this.trust);
    pdf.requireSpeaksOf(printed, this.paper(layout.CERTIFICATE_JSON));
  }

  // ---- (13) what may be there as well --------------------------------------------------------

  private async checkFurther(entry: tlogproof.TlogProof | null): Promise<void> {
    const names = sorted(this.observed.keys()).filter((one) => layout.isOptional(one) && one.startsWith(layout.ANCHORS));
    if (names.length) {
      const anchored = await this.steps.check("anchor.checkpoint", () => this.anchored(entry), layout.ANCHORED);
      for (const name of names.filter((one) => one !== layout.ANCHORED)) {
        if (anchored !== null && name.endsWith(".tsa")) await this.checkStamp(name, "anchor", sha256(anchored.note.text));
        else await this.checkReceipt(name, anchored);
      }
    }
    await this.checkRenewals();
  }

  private async anchored(entry: tlogproof.TlogProof | null): Promise<tlogproof.TlogProof> {
    const first = need(entry, layout.ENTRY);
    const found = this.papers.has(layout.ANCHORED) ? this.entry(this.leaf(), layout.ANCHORED) : first;
    await signedBy(found, this.trust);
    const fits = found.index === first.index && found.checkpoint.origin === first.checkpoint.origin;
    require(fits, Inconsistent, "anchor.of-another", first.index, found.index);
    return found;
  }

  private async checkReceipt(name: string, at: tlogproof.TlogProof | null): Promise<void> {
    const suffix = name.slice(name.lastIndexOf(".") + 1);
    const kind = suffix === "ots" ? "ots" : suffix === "tsa" ? "imprint" : "evm";
    const octets = this.papers.get(name) ?? new Uint8Array(0);
    await this.steps.check(`anchor.${kind}`, () => {
      const of = need(at, "the checkpoint that is anchored");
      return kind === "ots" ? anchors.requireOts(octets, of.note.text) : anchors.requireEvm(octets, of.checkpoint);
    }, name);
  }

  private async checkRenewals(): Promise<void> {
    const names = sorted([...this.papers.keys()].filter((one) => layout.isOptional(one) && one.startsWith(layout.RENEWALS)));
    let before: string | null = null;
    for (const name of names) {
      const octets = this.papers.get(name)!;
      await this.steps.check("renewal.covered", () => renewal.requireCovered(renewal.parse(octets), (hash) => renewal.groupOf(this.papers, this.observed, hash)), name);
      await this.steps.check("renewal.in-time", () => this.inTime(octets), name);
      const older = before === null ? null : this.papers.get(before)!;
      if (older !== null) await this.steps.check("renewal.continues", () => renewal.requireContinues(renewal.parse(octets), renewal.parse(older)), name);
      before = name;
    }
  }

  private async inTime(octets: Bytes): Promise<string> {
    const roots = rootsOf(this.trust);
    const own: instant.Instant[] = [];
    for (const [name, token] of this.papers) {
      if (name === layout.SEAL || name.startsWith(layout.TOKENS)) own.push(await renewal.untilOf(timestamp.parse(token), roots));
    }
    const proved = await renewal.requireInTime(renewal.parse(octets), roots, own);
    return `${instant.encode(proved.since)} – ${instant.encode(proved.until)}`;
  }
}

export async function requireTrusted(token: timestamp.TimestampToken | null, signer: Certificate | null, trust: Trust): Promise<Certificate[]> {
  const known = need(token, "a token");
  const by = need(signer, "a valid signature");
  return timestamp.requireTrusted(known, by, rootsOf(trust));
}

function rootsOf(trust: Trust): readonly Certificate[] {
  if (trust.roots === null) throw new UnknownKey("trust.no-roots", "roots to believe", "none given");
  return trust.roots;
}

export async function requireSignedPdf(octets: Bytes, trust: Trust): Promise<void> {
  await pdf.requireSigned(octets, rootsOf(trust));
}

function requireItem(item: manifestPaper.Item, name: string, found: layout.Observed | undefined): void {
  if (found === undefined) throw new Refuted("package.member-missing", name, "no such member");
  const wanted = `${item.size} octets, ${item.digests[0]!}`;
  const fits = found.size === item.size && found.sha256 === item.digests[0];
  require(fits, DigestMismatch, "item.altered", wanted, `${found.size} octets, ${found.sha256}`);
  const also = found.sm3 === null || item.digests.includes(found.sm3);
  require(also, DigestMismatch, "item.altered", item.digests[item.digests.length - 1], found.sm3);
}

/** The names of witnesses, once the ledger's own signature is shown to fit. */
async function signedBy(entry: tlogproof.TlogProof, trust: Trust): Promise<string[]> {
  if (trust.ledger === null) throw new UnknownKey("trust.no-ledger", "a ledger key to believe", "none given");
  const signers = (await entry.note.requireSigned(trust.ledger.logs)).map((one) => one.name);
  const { origin } = entry.checkpoint;
  require(signers.includes(origin), UnknownKey, "note.unknown-key", origin, signers);
  const cosigners = await entry.note.findSigned(trust.ledger.witnesses.map((one) => one.key));
  return sorted(new Set([...cosigners.values()].map((one) => one.key.name)));
}

function requireOrder(manifest: manifestPaper.Manifest, seals: Stamps, entry: tlogproof.TlogProof | null): void {
  const logged = need(entry, layout.ENTRY);
  need(seals.get(layout.SEAL)?.token, layout.SEAL);
  for (const one of seals.values()) {
    if (one.token === null) continue;
    const at = one.token.attestedAt;
    require(at + CLOCKS_APART >= manifest.observedAt, Inconsistent, "order.sealed-before-received", `after ${instant.encode(manifest.observedAt)}`, instant.encode(at));
  }
  const seen = manifest.seenCheckpoint;
  if (seen !== null && seen.origin === logged.checkpoint.origin) {
    require(BigInt(seen.size) <= logged.index, Inconsistent, "order.logged-before-seen", `an index of ${seen.size} or more`, logged.index);
  }
}

function sound(stamps: Stamps, name: string): facts.Sound {
  const stamp = need(stamps.get(name), name);
  return [need(stamp.token, name), need(stamp.signer, "the seal's authority")];
}

/** Who of those believed attests the manifest, and when; those under one root are one. */
function authorities(seals: Stamps, required: number): string {
  const roots = new Map<string, string>();
  for (const [name, one] of seals) if (one.path !== null) roots.set(name, one.path[one.path.length - 1]!.subject.key);
  if (roots.has(layout.SEAL) && roots.has(layout.SEAL_SM2)) roots.set(layout.SEAL_SM2, roots.get(layout.SEAL)!);
  const found = [...roots.keys()].map((name) => {
    const [token, signer] = sound(seals, name);
    return `${signer.subject.text}: ${instant.encode(token.attestedAt)}`;
  }).join("; ");
  const count = new Set(roots.values()).size;
  require(count >= required, Undecided, "policy.authorities-missing", `${required} authorities that are believed`, `${count}: ${found}`);
  return found;
}

