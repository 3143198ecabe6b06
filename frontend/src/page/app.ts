// The verification centre: takes what is given, asks the worker, shows the answer. Nothing here
// sends anything: where there is a ledger to ask, site.ts gives the one function that asks it,
// and it is called only when a person presses its button.

import type { Question } from "../engine";
import { LISTING } from "../proof/layout";
import type { Bytes } from "../proof/octets";
import type { Answer, Asked } from "../worker";
import { answerOf, printsOf, type Shown } from "./answer";
import { h, icon, sizeOf, visible, type Child } from "./elements";
import { folderIn, folderOf, paired, roleOf, type Given, type Role } from "./given";
import { tracingOf } from "./tracing";
import type { Words } from "./words";

export interface Surroundings {
  readonly root: HTMLElement; // where the form stands; the answer comes before it
  readonly words: Words;
  readonly version: string;
  readonly startWorker: () => Worker;
  readonly platformRoots: Bytes | null;
  readonly platformPolicy: Bytes | null;
  readonly serverForm: string | null; // for a browser that cannot
  readonly lookUp: ((sha256: string) => Promise<readonly Node[]>) | null;
}

export class App {
  private readonly given = new Map<Role, File>();
  private readonly roots: { name: string; names: readonly string[]; octets: Bytes }[] = [];
  private policy: { name: string; octets: Bytes } | null = null;
  private folder: { name: string; files: Map<string, File> } | null = null;
  private worker: Worker | null = null;
  private cancel: (() => void) | null = null;
  private last: Promise<unknown> = Promise.resolve();
  private readonly list = h("ul", { class: "papers", "data-given": true });
  private readonly said = h("p", { role: "status", "aria-live": "polite", tabindex: "-1", "data-going-said": true });
  private readonly bar = h("progress", { max: "1", value: "0" }) as HTMLProgressElement;
  private readonly stop = h("button", { type: "button", class: "quiet", click: () => this.cancel?.() });
  private readonly going = h("div", { class: "going", "data-going": true, hidden: true }, this.said, this.bar, this.stop);
  private answer: HTMLElement; // first on the page, before what asks

  constructor(private readonly here: Surroundings) {
    this.stop.textContent = this.say("stop");
    this.answer = document.querySelector<HTMLElement>("[data-answer]")!;
    here.root.replaceChildren(this.form(), this.going);
    this.wholePage();
    // Fetched now, so that nothing has to be asked for once a file was given.
    this.worker = here.startWorker();
  }

  private say(name: string, facts: Record<string, string | number> = {}): string {
    return this.here.words.say(`page.engine.${name}`, facts);
  }

  // ---- the form ------------------------------------------------------------------------------

  private form(): HTMLElement {
    const pick = this.input({ id: "engine-files", name: "files", multiple: true }, (files) => void this.take([...files]));
    const folder = this.input({ id: "engine-folder", webkitdirectory: true }, (files) => {
      if (files.length) void this.takeFolder(files[0]!.webkitRelativePath.split("/")[0]!, folderOf(files));
    });
    const trust = this.input({ id: "engine-trust", multiple: true, accept: ".pem,.crt,.cer,.der,.policy" }, (files) => void this.take([...files]));
    const check = h("button", { type: "button", class: "button first", "data-check": true, click: () => void this.check() }, icon("shield"), this.say("check"));
    return h(
      "section", { class: "card engine", "data-engine": true },
      h("h2", {}, this.say("what")),
      h("p", {}, this.say("what-lead")),
      h("div", { class: "slot" }, h("label", { for: "engine-files" }, icon("drop"), h("b", {}, this.say("choose")), h("span", { class: "note" }, this.say("choose-note"))), pick),
      this.list,
      h("div", { class: "links" }, check, h("button", { type: "button", class: "button", "data-clear": true, click: () => this.clear() }, this.say("clear"))),
      h("p", { class: "note" }, icon("shield"), this.say("local")),
      h("details", {}, h("summary", {}, this.say("more")),
        h("label", { for: "engine-folder" }, this.say("folder")), folder,
        h("label", { for: "engine-trust" }, this.say("add-trust")), trust,
        h("p", { class: "note" }, this.say("add-trust-note")),
        this.here.serverForm && h("p", {}, h("a", { href: this.here.serverForm }, this.say("by-server")))),
    );
  }

  private input(attributes: Record<string, string | boolean>, chosen: (files: FileList) => void): HTMLInputElement {
    const input = h("input", { type: "file", ...attributes }) as HTMLInputElement;
    input.addEventListener("change", () => {
      if (input.files?.length) chosen(input.files);
    });
    return input;
  }

  private wholePage(): void {
    const curtain = h("div", { class: "curtain", hidden: true }, h("p", {}, icon("drop"), h("b", {}, this.say("drop"))));
    document.body.append(curtain);
    const files = (event: DragEvent): boolean => [...(event.dataTransfer?.types ?? [])].includes("Files");
    let depth = 0;
    const show = (change: number): void => {
      depth = Math.max(0, depth + change);
      curtain.hidden = depth === 0;
    };
    addEventListener("dragenter", (event) => files(event) && show(1));
    addEventListener("dragleave", (event) => files(event) && show(-1));
    addEventListener("dragover", (event) => files(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      const held = event.dataTransfer;
      if (!held || !files(event)) return;
      event.preventDefault();
      depth = 0;
      curtain.hidden = true;
      const dropped = [...held.files];
      void folderIn(held.items).then((folder) => (folder ? this.takeFolder(folder.name, folder.files) : this.take(dropped)));
    });
    addEventListener("beforeprint", () => {
      for (const one of document.querySelectorAll<HTMLDetailsElement>("[data-answer] details")) one.open = true;
    });
  }

  // ---- what was given ------------------------------------------------------------------------

  private async take(files: File[]): Promise<void> {
    const sorted = paired(await Promise.all(files.map(async (file): Promise<Given> => ({ file, role: await roleOf(file) }))));
    const whole = sorted.filter((one) => one.role !== "roots" && one.role !== "policy");
    const tokens = whole.filter((one) => one.role === "token").length;
    if (tokens > 1 || whole.length - tokens > 1) { // never one of them silently
      this.tell(this.say("one-at-a-time"));
      return;
    }
    for (const one of sorted) await this.put(one);
    const pairs = this.given.has("token");
    // With a token, whatever else there is is the original that it speaks of.
    for (const role of ["certificate", "package"] as const) {
      const other = this.given.get(role);
      if (pairs && other) {
        this.given.delete(role);
        this.given.set("file", other);
      }
    }
    this.showGiven();
    // A root that comes after an answer is why one asks again.
    if (whole.length || this.answer.childElementCount) await this.check();
  }

  private async put({ role, file }: Given): Promise<void> {
    if (role === "roots" || role === "policy") {
      const octets = new Uint8Array(await file.arrayBuffer());
      const told = await this.ask({ kind: "trust", octets });
      if (told.kind === "trust" && told.is === "roots") this.roots.push({ name: file.name, names: told.names, octets });
      else if (told.kind === "trust" && told.is === "policy") this.policy = { name: file.name, octets };
      else this.tell(this.say("not-trust", { name: visible(file.name) }));
      return;
    }
    if (role !== "token" && role !== "file") this.given.clear();
    if (role === "file" || role === "token") for (const one of ["package", "certificate"] as const) if (role === "file") this.given.delete(one);
    this.folder = null;
    this.given.set(role, file);
  }

  private async takeFolder(name: string, files: Map<string, File>): Promise<void> {
    this.given.clear();
    this.folder = { name, files };
    this.showGiven();
    await this.check();
  }

  private clear(): void {
    this.cancel?.(); // an answer to what is no longer there would come back
    this.given.clear();
    this.roots.length = 0;
    this.policy = null;
    this.folder = null;
    this.going.hidden = true;
    this.answer.replaceChildren();
    for (const one of this.here.root.querySelectorAll("input")) one.value = "";
    this.showGiven();
  }

  private showGiven(): void {
    const line = (what: string, name: string, more: string): Child => h("li", {}, h("b", { class: "name" }, visible(name)), h("span", {}, what), h("small", {}, more));
    const lines = [...this.given].map(([role, file]) => line(this.say(`role-${role}`), file.name, sizeOf(file.size)));
    if (this.folder) lines.push(line(this.say("role-folder"), this.folder.name, String(this.folder.files.size)));
    for (const one of this.roots) lines.push(line(this.say("role-roots"), one.name, one.names.map(visible).join("; ")));
    if (this.policy) lines.push(line(this.say("role-policy"), this.policy.name, ""));
    this.list.replaceChildren(...lines.filter((one): one is Node => one instanceof Node));
  }

  // ---- asking --------------------------------------------------------------------------------

  private tell(text: string, share: number | null = 0): void {
    const begins = this.going.hidden;
    this.going.hidden = false;
    const changed = this.said.textContent !== text;
    if (changed) this.said.textContent = text;
    if (share === null) this.bar.removeAttribute("value");
    else this.bar.value = share;
    this.bar.hidden = this.stop.hidden = this.cancel === null;
    // On a phone it would be below the fold. Once, while it goes on: the reader may scroll away.
    if (begins || (changed && this.cancel === null)) this.going.scrollIntoView({ block: "nearest" });
  }

  /** One question after the other: an answer does not say to which it belongs. */
  private ask(asked: Asked, total = 0): Promise<Answer> {
    const answer = this.last.then(() => this.askNow(asked, total));
    this.last = answer;
    return answer;
  }

  private askNow(asked: Asked, total: number): Promise<Answer> {
    const worker = (this.worker ??= this.here.startWorker());
    return new Promise((resolve) => {
      const done = (answer: Answer): void => {
        worker.removeEventListener("message", heard);
        this.cancel = null;
        resolve(answer);
      };
      const heard = ({ data }: MessageEvent<Answer>): void => {
        if (data.kind === "progress") this.tell(this.say("hashing", { done: sizeOf(data.octets) }), total ? Math.min(1, data.octets / total) : null);
        else done(data);
      };
      const drop = (code: string): void => {
        worker.terminate();
        this.worker = null;
        done({ kind: "refused", code, expected: "", found: "" });
      };
      this.cancel = () => drop("stopped");
      worker.addEventListener("message", heard);
      worker.onerror = (event) => {
        event.preventDefault();
        drop("verify.engine-failed");
      };
      worker.postMessage(asked);
    });
  }

  async check(): Promise<void> {
    const file = this.given.get("file") ?? this.given.get("package") ?? this.given.get("certificate");
    const token = this.given.get("token");
    if (token && !this.given.has("file")) {
      this.tell(this.say("need-file"));
      return;
    }
    if (!file && !this.folder) {
      this.tell(this.say("need-any"));
      return;
    }
    if (!this.folder && file && !token && this.given.has("file")) await this.hashOnly(file);
    else await this.verify(file, token);
  }

  private async verify(file: File | undefined, token: File | undefined): Promise<void> {
    const { platformRoots, platformPolicy } = this.here;
    const added = this.roots.map((one) => one.octets);
    const roots = [...(platformRoots ? [platformRoots] : []), ...added];
    const question: Question = { file, token, folder: this.folder?.files, roots, policy: this.policy?.octets ?? platformPolicy ?? undefined };
    const total = this.folder ? [...this.folder.files.values()].reduce((sum, one) => sum + one.size, 0) : (file?.size ?? 0);
    this.busy(this.say("checking"));
    const answer = await this.ask({ kind: "verify", question }, total);
    if (answer.kind !== "verdict") return this.refused(answer);
    const shown: Shown = {
      verdict: answer.verdict, name: this.folder?.name ?? file?.name ?? "", size: this.folder ? total : (file?.size ?? null), tokenName: token?.name ?? "",
      checkedAt: new Date().toISOString(), version: this.here.version, own: platformRoots !== null && !added.length, folder: this.folder !== null,
      listed: this.folder?.files.has(LISTING) ?? false,
    };
    const whole = answerOf(shown, this.here.words);
    const held = this.folder?.files ?? file;
    if (held) for (const one of answer.verdict.traced) whole.querySelector(".two")?.after(tracingOf(one, { held, name: shown.folder ? "." : shown.name, ask: (asked) => this.ask(asked) }, this.here.words));
    this.show(whole, "[data-verdict]");
    document.documentElement.dataset["milliseconds"] = String(Math.round(answer.milliseconds));
  }

  private async hashOnly(file: File): Promise<void> {
    this.busy(this.say("hashing", { done: "0 B" }));
    const answer = await this.ask({ kind: "hash", file }, file.size);
    if (answer.kind !== "hash") return this.refused(answer);
    const { lookUp, words } = this.here;
    const found = h("div", { "data-found": true, "aria-live": "polite" });
    const button = lookUp && h("button", { type: "button", class: "button first", "data-look-up": true, click: () => {
      found.replaceChildren(this.say("asking"));
      lookUp(answer.sha256).then((nodes) => found.replaceChildren(...nodes), () => found.replaceChildren(this.say("no-answer")));
    } }, icon("list"), this.say("look-up"));
    const note = h("p", { class: "note" }, this.say(lookUp ? "look-up-note" : "look-up-offline"));
    this.show(printsOf(file.name, file.size, answer, words, button, note, found), "[data-prints]");
  }

  private busy(text: string): void {
    this.answer.replaceChildren();
    this.cancel ??= () => undefined;
    this.tell(text, null);
  }

  private refused(answer: Answer): void {
    this.cancel = null;
    const code = answer.kind === "refused" ? answer.code : "verify.engine-failed";
    const why = code === "stopped" ? this.say("stopped") : (this.here.words.find(code) ?? this.here.words.find(`proof.${code}`) ?? code);
    this.tell(answer.kind === "refused" && answer.found ? `${why} (${visible(answer.found.slice(0, 200))})` : why);
    if (document.activeElement === document.body || this.stop.contains(document.activeElement)) this.said.focus({ preventScroll: true }); // the button went away
  }

  private show(answer: HTMLElement, focus: string): void {
    this.going.hidden = true;
    this.answer.replaceWith(answer);
    this.answer = answer;
    const first = answer.querySelector<HTMLElement>(focus);
    first?.scrollIntoView({ block: "start" });
    first?.focus({ preventScroll: true });
  }
}
