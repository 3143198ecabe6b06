// Beside the page: hashes and judges what is given, and answers. It has no network: on the site
// its own content policy says connect-src 'none', in verify.html the page's does.

import { verdictOf, type Question, type Verdict } from "./engine";
import * as digest from "./proof/digest";
import { ProofError, Undecided } from "./proof/errors";
import { hex, type Bytes } from "./proof/octets";
import { parse as parsePolicy } from "./proof/policy";
import { parseRoots } from "./proof/x509";
import { hashBlob } from "./reading/members";
import { Following, type Hop, type Opened } from "./trace/following";

export type Asked =
  | { kind: "verify"; question: Question }
  | { kind: "hash"; file: Blob }
  | { kind: "trust"; octets: Bytes }
  | { kind: "trace"; held: Blob | ReadonlyMap<string, Blob>; prefix: string }
  | { kind: "follow"; prefix: string; resource: number };

export type Answer =
  | { kind: "progress"; octets: number }
  | { kind: "verdict"; verdict: Verdict; milliseconds: number }
  | { kind: "hash"; sha256: string; sm3: string }
  | { kind: "trust"; is: "roots" | "policy" | "neither"; names: readonly string[] }
  | { kind: "trace"; opened: Opened }
  | { kind: "follow"; hops: readonly Hop[] }
  | { kind: "refused"; code: string; expected: string; found: string };

const tell = (answer: Answer): void => self.postMessage(answer);

let waiting = 0;
let told = 0;
const followed = new Map<string, Following>(); // what a page has open, by its exhibit's folder

/** At most every 4 MiB: the page paints, the worker goes on. */
function progress(octets: number): void {
  waiting += octets;
  if (waiting - told >= 4 << 20) tell({ kind: "progress", octets: (told = waiting) });
}

async function answer(asked: Asked): Promise<Answer> {
  await digest.ready();
  [waiting, told] = [0, 0];
  if (asked.kind === "trace") {
    const following = await Following.begin(asked.held, asked.prefix);
    followed.set(asked.prefix, following);
    return { kind: "trace", opened: following.opened };
  }
  if (asked.kind === "follow") {
    const following = followed.get(asked.prefix);
    if (!following) throw new Undecided("step.input-missing", "the package, opened", "closed since"); // never «nothing was sent»
    return { kind: "follow", hops: await following.follow(asked.resource) };
  }
  if (asked.kind === "verify") {
    followed.clear();
    const began = performance.now();
    return { kind: "verdict", verdict: await verdictOf(asked.question, progress), milliseconds: performance.now() - began };
  }
  if (asked.kind === "hash") {
    const { hashes } = await hashBlob(asked.file, ["sha256", "sm3"], progress);
    return { kind: "hash", sha256: hex(hashes.get("sha256")!), sm3: hex(hashes.get("sm3")!) };
  }
  return trustIn(asked.octets);
}

/** Roots in PEM or DER, or a policy: what a reader may add to what he believes. */
async function trustIn(octets: Bytes): Promise<Answer> {
  try {
    const roots = await parseRoots(octets);
    return { kind: "trust", is: "roots", names: roots.map((one) => one.subject.text) };
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
  }
  try {
    return { kind: "trust", is: "policy", names: parsePolicy(octets).logs.map((one) => one.name) };
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    return { kind: "trust", is: "neither", names: [] };
  }
}

self.addEventListener("message", (event: MessageEvent<Asked>) => {
  answer(event.data).then(tell, (error: unknown) => {
    const known = error instanceof ProofError;
    tell({ kind: "refused", code: known ? error.code : "verify.engine-failed", expected: known ? error.expected : "", found: known ? error.found : String(error) });
  });
});
