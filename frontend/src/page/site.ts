// On the platform's page: its words, its roots and its ledger; the worker from its own address.

import { App } from "./app";
import { h, visible } from "./elements";
import { Words, type Catalogue, type Language } from "./words";

interface Found {
  readonly match: string;
  readonly code: string;
  readonly number?: string;
  readonly attested_at?: string;
  readonly words: Readonly<Record<Language, string>>;
}

async function start(root: HTMLElement): Promise<void> {
  const language: Language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
  const told = (await (language === "zh" ? import("../../build/words/zh.json") : import("../../build/words/en.json"))) as { default: Catalogue };
  const words = new Words(language, told.default);
  const { worker = "", roots = "", policy = "", version = "", lookup = "", server = "" } = root.dataset;
  // Trusted types: the one script address that may be made from a string, and only this one.
  const addresses = window.trustedTypes?.createPolicy("guzheng-worker", { createScriptURL: () => worker });
  const octets = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

  async function lookUp(sha256: string): Promise<Node[]> {
    const answer = await fetch(`${lookup}?sha256=${sha256}`, { headers: { Accept: "application/json" } });
    const { answers } = (await answer.json()) as { answers: Found[] };
    return answers.map((one) => h("p", { class: one.match === "same" ? "say" : "say wait" }, one.words[language], " ", h("small", {}, visible([one.number, one.attested_at].filter(Boolean).join(" · ")))));
  }

  new App({
    root, words, version, lookUp, serverForm: server || null,
    startWorker: () => new Worker((addresses ? addresses.createScriptURL("") : worker) as string, { type: "module" }),
    platformRoots: roots ? octets(roots) : null,
    platformPolicy: policy ? octets(policy) : null,
  });
  root.hidden = false;
  for (const one of document.querySelectorAll<HTMLElement>("[data-without-script]")) one.hidden = true;
}

declare global {
  interface Window {
    readonly trustedTypes?: { createPolicy(name: string, rules: { createScriptURL: () => string }): { createScriptURL(address: string): unknown } };
  }
}

const root = document.querySelector<HTMLElement>("[data-engine-root]");
if (root) void start(root);
