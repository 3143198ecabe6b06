// From a place on the picture to the wire, and of each link what can be checked without the key
// log: docs/spec/trace.md §4. The picture, the trace and the record are the bytes of the
// manifest; a request stands in the record, an archived answer has its digest, a connection
// stands in the transcript's index. That the archive says what passed over the wire is not
// among it: who has the keys asks `guzheng transcript`.

import * as capturePaper from "../proof/capture";
import { parseObject, type Json, type JsonObject } from "../proof/canonical";
import { DigestMismatch, Inconsistent, Malformed, ProofError, Refuted, Undecided, require } from "../proof/errors";
import { Fields } from "../proof/fields";
import * as layout from "../proof/layout";
import * as manifestPaper from "../proof/manifest";
import { hex, latin1, sorted, unhex, type Bytes } from "../proof/octets";
import { faultOf, need, type Finding } from "../proof/steps";
import { sha256 } from "../proof/digest";
import { bytesOf, hashBlob, openerOf, type Opener } from "../reading/members";
import { keyOf, requireArchived } from "./archive";
import * as form from "./form";

const PICTURE = /^screenshot(-\d{3})?\.png$/;
const TRACE_OCTETS = 32 << 20, INDEX_OCTETS = 64 << 20, PICTURE_OCTETS = 256 << 20, ANY = 2 ** 52;
const SIDE = 16_384; // what a browser still draws
const RULE = "docs/spec/trace.md §4";

export interface Picture {
  readonly octets: Blob;
  readonly width: number;
  readonly height: number;
}

/** What a page needs to show the pictures; every octet of it was compared with the manifest. */
export interface Opened {
  readonly trace: form.Trace;
  readonly pictures: readonly Picture[];
}

export interface Session {
  readonly subject: string;
  readonly issuer: string;
  readonly from: string;
  readonly to: string;
}

/** One request on the way to the octets: what the trace says, and what was found of it here. */
export interface Hop {
  readonly step: form.Step;
  readonly connection: form.Connection | null;
  readonly session: Session | null;
  readonly findings: Readonly<Record<"request" | "archive" | "connection" | "certificate", Finding | null>>;
}

export class Following {
  private constructor(
    readonly opened: Opened,
    private readonly open: Opener,
    private readonly manifest: manifestPaper.Manifest,
    private readonly record: JsonObject,
  ) {}

  static async begin(held: Blob | ReadonlyMap<string, Blob>, prefix: string): Promise<Following> {
    const whole = await openerOf(held);
    const open: Opener = (name, most) => whole(prefix + name, most);
    const paper = async (name: string, most: number): Promise<Bytes> => bytesOf(need(await open(name, most), name));
    const manifest = manifestPaper.parse(await paper(layout.MANIFEST, layout.MAX_PAPER));
    const folder = prefix.split("/").at(-2);
    require(folder === undefined || folder === manifest.exhibit, Inconsistent, "exhibit.folder-differs", manifest.exhibit, folder);
    require(manifest.kind === "web" && manifest.capture !== null, Refuted, "transcript.trace-none", "a captured page", manifest.kind);
    const recorded = await paper(layout.CAPTURE, layout.MAX_PAPER);
    manifestPaper.requireExtent(manifest.capture, recorded, layout.CAPTURE);
    const trace = form.parse(await paper(layout.ITEMS + form.TRACE, TRACE_OCTETS));
    require(trace.exhibit === manifest.exhibit, Inconsistent, "transcript.trace-differs", manifest.exhibit, trace.exhibit);
    const names = sorted(manifest.items.map((one) => one.name).filter((one) => PICTURE.test(one)));
    require(names.length > 0, Undecided, "step.input-missing", "a screenshot", "none");
    for (const name of [form.TRACE, ...names]) await requireItem(manifest, open, name);
    const pictures: Picture[] = [];
    for (const name of names) pictures.push(await pictureOf(need(await open(layout.ITEMS + name, PICTURE_OCTETS), name), name));
    return new Following({ trace, pictures }, open, manifest, capturePaper.parse(recorded).fields);
  }

  async follow(resource: number): Promise<Hop[]> {
    const hops: Hop[] = [];
    for (const step of this.opened.trace.resources[resource]?.steps ?? []) hops.push(await this.hop(step));
    return hops;
  }

  private async hop(step: form.Step): Promise<Hop> {
    const connection = this.opened.trace.connections.find((one) => one.number === step.connection) ?? null;
    const session = this.sessionOf(step.url);
    return {
      step, connection, session: session && { subject: text(session, "subject"), issuer: text(session, "issuer"), from: text(session, "valid_from"), to: text(session, "valid_to") },
      findings: {
        request: await checked("request", step.request === null ? null : () => this.requireRequested(step)),
        archive: await checked("archive", step.archive && (() => this.requireKept(step))),
        connection: await checked("connection", connection && (() => this.requireIndexed(connection))),
        certificate: await checked("certificate", connection && connection.protocol !== "clear" ? () => requireLeaf(connection, session) : null),
      },
    };
  }

  private requireRequested(step: form.Step): string {
    const found = listOf(this.record, "requests").find((one) => one["number"] === step.request);
    const said = found && `${text(found, "url")} ${text(found, "outcome")}`;
    const fits = found && keyOf(text(found, "url")) === keyOf(step.url) && text(found, "outcome") === step.outcome;
    require(Boolean(fits), Inconsistent, "transcript.trace-differs", `${step.url} ${step.outcome}`, said ?? "no such request");
    return String(step.request);
  }

  private async requireKept(step: form.Step): Promise<string> {
    const archive = need(await this.open(`${layout.ITEMS}page.wacz`, ANY), "page.wacz");
    await requireItem(this.manifest, this.open, "page.wacz");
    const file = need(await (await openerOf(archive))(step.archive!.file, ANY), step.archive!.file);
    return String(await requireArchived(file, step.archive!, step.url));
  }

  private async requireIndexed(one: form.Connection): Promise<string> {
    const said = need(this.record["transcript"] as JsonObject | undefined, "a transcript in the record");
    const transcript = need(await this.open(`${layout.ITEMS}transcript.zip`, ANY), "transcript.zip");
    const octets = await bytesOf(need(await (await openerOf(transcript))("index.json", INDEX_OCTETS), "index.json"));
    require(sha256(octets) === said["index"], DigestMismatch, "transcript.index-differs", said["index"], sha256(octets));
    const listed = new Fields(parseObject(octets), "transcript").items("connections", 20_000) as JsonObject[];
    const found = listed.find((each) => each["number"] === one.number);
    const facts = (host: Json, port: Json, peer: Json, answers: Json, resolvers: Json): string => JSON.stringify([host, port, peer, answers, resolvers]);
    const wanted = facts(one.host, one.port, one.peer, [...one.answers], one.resolvers.map(spelled));
    const there = found ? facts(found["host"]!, found["port"]!, found["peer"]!, found["answers"]!, (found["resolvers"] as JsonObject[]).map(asTold)) : "no such connection";
    require(wanted === there, Inconsistent, "transcript.index-differs", wanted, there);
    return String(one.number);
  }

  /** What the browser told of TLS with this host. */
  private sessionOf(url: string): JsonObject | null {
    const host = (address: string): string => keyOf(address).split("/")[2] ?? "";
    return listOf(this.record, "tls").find((one) => host(`https://${text(one, "host")}/`) === host(url)) ?? null;
  }
}

const text = (value: JsonObject, name: string): string => String(value[name] ?? "");
const listOf = (value: JsonObject, name: string): JsonObject[] => (value[name] ?? []) as JsonObject[];
const spelled = (one: form.Resolver): Json => [one.resolver, [...one.answers], one.authenticated];
const asTold = (one: JsonObject): Json => [one["resolver"] ?? null, one["answers"] ?? null, one["authenticated"] ?? null];

function requireLeaf(one: form.Connection, session: JsonObject | null): string {
  const leaf = one.chain[0];
  if (leaf === undefined || session === null) throw new Undecided("transcript.leaf-unseen", "a chain on this connection, and one that the browser reported", one.resumedOf ?? "none");
  const reported = String((session["chain"] as string[])[0] ?? "none");
  require(leaf === reported, DigestMismatch, "transcript.leaf-differs", reported, leaf);
  return leaf;
}

async function requireItem(manifest: manifestPaper.Manifest, open: Opener, name: string): Promise<void> {
  const item = manifest.items.find((one) => one.name === name);
  const held = await open(layout.ITEMS + name, ANY);
  if (!item || held === null) throw new Refuted("package.member-missing", name, "no such member");
  const { size, hashes } = await hashBlob(held, ["sha256"], () => undefined);
  const found = `sha256:${hex(hashes.get("sha256")!)}`;
  require(size === item.size && found === item.digests[0], DigestMismatch, "item.altered", item.digests[0], `${found} (${name})`);
}

/** Only what says of itself that it is a PNG of a size that can be drawn. */
async function pictureOf(octets: Blob, name: string): Promise<Picture> {
  const head = await bytesOf(octets.slice(0, 24));
  const view = new DataView(head.buffer);
  const isPng = head.length === 24 && latin1(head.subarray(0, 8)) === latin1(unhex("89504e470d0a1a0a")!) && latin1(head.subarray(12, 16)) === "IHDR";
  const [width, height] = isPng ? [view.getUint32(16), view.getUint32(20)] : [0, 0];
  const fits = width > 0 && width <= SIDE && height > 0 && height <= SIDE;
  require(fits, Malformed, "transcript.trace-malformed", `PNG of at most ${SIDE} pixels a side`, `${width} × ${height}: ${name}`);
  return { octets, width, height };
}

async function checked(link: string, prove: (() => string | Promise<string>) | null): Promise<Finding | null> {
  if (prove === null) return null;
  try {
    return { step: `trace.${link}`, rule: RULE, outcome: "passed", code: "ok", subject: "", expected: "", found: await prove() };
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    return faultOf(`trace.${link}`, RULE, error);
  }
}
