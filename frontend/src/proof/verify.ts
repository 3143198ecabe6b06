// What a stranger asks of a package, a file with its token, a certificate. guzheng.proof.verify.

import { Refuted, require } from "./errors";
import { requireSignedPdf, requireTrusted, verifyExhibit } from "./exhibit";
import * as layout from "./layout";
import type { Bytes } from "./octets";
import { sorted } from "./octets";
import type { Trust } from "./policy";
import { Steps, need, type Finding } from "./steps";
import * as timestamp from "./timestamp";

export { verifyExhibit };

/** A file, known by its hashes under names of cms.DIGESTS, and its token. */
export async function verifyFile(hashes: ReadonlyMap<string, Bytes>, tokenOctets: Bytes, trust: Trust): Promise<Finding[]> {
  const steps = new Steps();
  const token = await steps.check("token.form", () => timestamp.parse(tokenOctets));
  await steps.check("token.imprint", () => {
    const { imprintName } = need(token, "a token");
    timestamp.requireImprint(token!, need(hashes.get(imprintName), `the file's ${imprintName}`), imprintName);
  });
  const signer = await steps.check("token.signature", () => timestamp.requireSignature(need(token, "a token")));
  await steps.check("token.trust", () => requireTrusted(token, signer, trust));
  return steps.findings;
}

export async function verifyCertificate(octets: Bytes, trust: Trust): Promise<Finding[]> {
  const steps = new Steps();
  await steps.check("certificate.signature", () => requireSignedPdf(octets, trust));
  return steps.findings;
}

export async function verifyPackage(papers: layout.Papers, observed: layout.Members, trust: Trust): Promise<Finding[]> {
  const steps = new Steps();
  const name = layout.LISTING;
  const listing = await steps.check("package.listing", () => layout.parseListing(need(papers.get(name), name)));
  await steps.check("package.members", () => {
    const listed = need(listing, name);
    layout.requireMembers(listed.keys(), [...observed.keys()].filter((one) => one !== name));
    for (const one of sorted(listed.keys())) layout.requireListed(one, listed.get(one)!, observed.get(one)!);
  });
  await steps.check("package.outer", () => requireOuter(observed));
  for (const one of layout.exhibitsIn(observed.keys())) {
    const prefix = `${layout.EXHIBITS}${one}/`;
    steps.findings.push(...(await verifyExhibit(below(prefix, papers), below(prefix, observed), trust, one, prefix)));
  }
  return steps.findings;
}

function below<T>(prefix: string, members: ReadonlyMap<string, T>): Map<string, T> {
  const own = [...members].filter(([name]) => name.startsWith(prefix));
  return new Map(own.map(([name, one]) => [name.slice(prefix.length), one]));
}

function requireOuter(observed: layout.Members): void {
  const exhibits = layout.exhibitsIn(observed.keys());
  require(exhibits.length > 0, Refuted, "package.member-missing", "at least one exhibit", "none");
  const known = exhibits.map((one) => `${layout.EXHIBITS}${one}/`);
  layout.requireMembers(layout.OUTER, [...observed.keys()].filter((name) => !layout.DOCUMENTS.includes(name) && !known.some((one) => name.startsWith(one))));
}
