// trace.json as docs/spec/trace.md §3 has it: closed, every reference within it resolved.

import { parseObject, type Json } from "../proof/canonical";
import { parseDigest } from "../proof/digest";
import { Malformed, require } from "../proof/errors";
import { Fields } from "../proof/fields";
import { requireExhibitName } from "../proof/manifest";
import type { Bytes } from "../proof/octets";

export const TRACE = "trace.json";
const NODES = 200_000, STEPS = 20, LONGEST = 8192, CONNECTIONS = 20_000;

export type Box = readonly [left: number, top: number, width: number, height: number];

export interface Node {
  readonly node: number;
  readonly name: string;
  readonly box: Box;
  readonly order: number;
  readonly resource: number;
  readonly frame: number | null; // of frames.json, whose process counts `node`; null: the page's own
}

export interface Archived {
  readonly file: string;
  readonly offset: number;
  readonly length: number;
  readonly status: number;
  readonly digest: string;
}

export interface Step {
  readonly url: string;
  readonly request: number | null;
  readonly outcome: string;
  readonly archive: Archived | null;
  readonly connection: number | null;
  readonly stream: number | null;
}

export interface Resolver {
  readonly resolver: string;
  readonly answers: readonly string[];
  readonly authenticated: boolean | null;
}

export interface Connection {
  readonly number: number;
  readonly host: string;
  readonly port: number;
  readonly peer: string;
  readonly answers: readonly string[];
  readonly resolvers: readonly Resolver[];
  readonly protocol: string;
  readonly cipher: string;
  readonly signedBy: string;
  readonly chain: readonly string[];
  readonly resumedOf: number | null;
}

export interface Resource {
  readonly url: string;
  readonly steps: readonly Step[];
}

export interface Trace {
  readonly exhibit: string;
  readonly page: { readonly url: string; readonly width: number; readonly height: number };
  readonly nodes: readonly Node[];
  readonly resources: readonly Resource[];
  readonly connections: readonly Connection[];
}

export function parse(octets: Bytes): Trace {
  const fields = new Fields(parseObject(octets), "trace");
  fields.oneOf("schema", ["guzheng.trace/1"]);
  const trace: Trace = {
    exhibit: requireExhibitName(fields.text("exhibit")),
    page: readPage(fields.take("page")),
    nodes: fields.items("nodes", NODES).map(readNode),
    resources: fields.items("resources", NODES).map(readResource),
    connections: fields.items("connections", CONNECTIONS).map(readConnection),
  };
  fields.end();
  const beyond = trace.nodes.find((one) => one.resource >= trace.resources.length);
  require(!beyond, Malformed, "transcript.trace-malformed", "a resource of the list", beyond?.resource);
  const known = new Set(trace.connections.map((one) => one.number));
  const unknown = trace.resources.flatMap((one) => one.steps).find((one) => one.connection !== null && !known.has(one.connection));
  require(!unknown, Malformed, "transcript.trace-malformed", "a connection of the list", unknown?.connection);
  return trace;
}

function readPage(value: Json): Trace["page"] {
  const fields = new Fields(value, "trace.page");
  const page = { url: fields.text("url", LONGEST), width: fields.count("width"), height: fields.count("height") };
  fields.end();
  return page;
}

function readNode(value: Json): Node {
  const fields = new Fields(value, "trace.nodes");
  const box = fields.items("box", 4);
  const whole = box.length === 4 && box.every((one) => typeof one === "number" && one >= 0);
  require(whole, Malformed, "transcript.trace-malformed", "left, top, width, height", String(box));
  const node = {
    node: fields.count("node"), name: fields.text("name", 40), box: box as unknown as Box,
    order: fields.count("order"), resource: fields.count("resource"), frame: countIn(fields, "frame"),
  };
  fields.end();
  return node;
}

function readResource(value: Json): Resource {
  const fields = new Fields(value, "trace.resources");
  const resource = { url: fields.text("url", LONGEST), steps: fields.items("steps", STEPS).map(readStep) };
  fields.end();
  return resource;
}

const countIn = (fields: Fields, name: string): number | null => (fields.has(name) ? fields.count(name) : null);

function readStep(value: Json): Step {
  const fields = new Fields(value, "trace.steps");
  const step: Step = {
    url: fields.text("url", LONGEST),
    request: countIn(fields, "request"),
    outcome: fields.textOrNull("outcome", LONGEST) ?? "",
    archive: fields.optional("archive", readArchived),
    connection: countIn(fields, "connection"),
    stream: countIn(fields, "stream"),
  };
  fields.end();
  return step;
}

function readArchived(value: Json): Archived {
  const fields = new Fields(value, "trace.archive");
  const archived = {
    file: fields.text("file", 200), offset: fields.count("offset"), length: fields.count("length"),
    status: fields.count("status"), digest: parseDigest(fields.text("digest", 80)),
  };
  fields.end();
  return archived;
}

function readConnection(value: Json): Connection {
  const fields = new Fields(value, "trace.connections");
  const connection: Connection = {
    number: fields.count("number"), host: fields.text("host", 1000), port: fields.count("port"), peer: fields.text("peer", 100),
    answers: fields.texts("answers"), resolvers: fields.items("resolvers", 100).map(readResolver),
    protocol: fields.text("protocol", 100), cipher: fields.text("cipher", 100), signedBy: fields.text("signed_by", 100),
    chain: fields.texts("chain").map(parseDigest), resumedOf: countIn(fields, "resumed_of"),
  };
  fields.end();
  return connection;
}

function readResolver(value: Json): Resolver {
  const fields = new Fields(value, "trace.resolvers");
  const said = fields.has("authenticated") ? fields.take("authenticated") : null;
  require(said === null || typeof said === "boolean", Malformed, "transcript.trace-malformed", "authenticated: true or false", String(said));
  const resolver = { resolver: fields.text("resolver", 300), answers: fields.texts("answers"), authenticated: said };
  fields.end();
  return resolver;
}

/** The boxes under a point, the one painted last first: docs/spec/trace.md §3. */
export function under(nodes: readonly Node[], x: number, y: number): Node[] {
  const found = nodes.map((one, place) => ({ one, place })).filter(({ one: { box: [left, top, width, height] } }) => left <= x && x < left + width && top <= y && y < top + height);
  return found.sort((a, b) => b.one.order - a.one.order || b.place - a.place).map(({ one }) => one);
}
