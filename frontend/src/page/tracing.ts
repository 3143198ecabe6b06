// A place on the screenshot, and what leads from it to the wire. By pointer, by the arrow keys,
// or by the list of all resources: the same answer. Each link says who saw it and what was
// checked here; nothing says that the wire was opened, since that takes the key log.

import type { Traced } from "../engine";
import type { Finding } from "../proof/steps";
import type { Hop, Opened } from "../trace/following";
import { under, type Connection, type Node as Place, type Trace } from "../trace/form";
import type { Answer, Asked } from "../worker";
import { beijing, h, markOf, moment, shell, sizeOf, visible, type Child } from "./elements";
import type { Words } from "./words";

const SHOWN = 8; // boxes one upon another
const LISTED = 500; // resources
const STRIDE = 20; // pixels of the page; with Shift a tenth of it

export interface Held {
  readonly held: Blob | ReadonlyMap<string, Blob>;
  readonly name: string;
  readonly ask: (asked: Asked) => Promise<Answer>;
}

export function tracingOf(traced: Traced, held: Held, words: Words): HTMLElement {
  const say = (name: string, facts: Record<string, string | number> = {}): string => words.say(`page.engine.trace.${name}`, facts);
  const section = h("section", { class: "card", "data-trace": traced.exhibit }, h("h2", {}, say("title"), " ", h("small", { class: "name" }, visible(traced.name))), h("p", {}, say("lead")));
  const said = h("p", { role: "status" });
  const button = h("button", { type: "button", class: "button", "data-open-trace": true, click: () => {
    (button as HTMLButtonElement).disabled = true;
    said.textContent = say("opening");
    void held.ask({ kind: "trace", held: held.held, prefix: traced.prefix }).then((answer) => {
      if (answer.kind === "trace") section.append(...new Viewer(answer.opened, traced, held, words).parts());
      const code = answer.kind === "refused" ? answer.code : "";
      const found = answer.kind === "refused" ? answer.found.slice(0, 200) : "";
      said.textContent = answer.kind === "trace" ? "" : `${say("not-shown")} ${words.find(`proof.${code}`) ?? words.find(code) ?? code} ${found && `(${visible(found)})`}`;
      said.className = answer.kind === "trace" ? "" : "warned";
      (answer.kind === "trace" ? section.querySelector<HTMLElement>(".plate") : said)?.focus();
      if (answer.kind === "trace") button.remove();
    });
  } }, say("open"));
  section.append(h("div", { class: "links" }, button), said);
  return section;
}

class Viewer {
  private readonly trace: Trace;
  private readonly counts = new Map<number, number>();
  private readonly plate: HTMLElement;
  private readonly mark = h("div", { class: "outline", hidden: true });
  private readonly cross = h("div", { class: "cross", hidden: true });
  private readonly chain = h("div", { class: "chain", "data-chain": true, role: "status" });
  private readonly whole: { width: number; height: number };
  private at: readonly [number, number] = [0, 0];
  private turn = 0;

  constructor(private readonly opened: Opened, private readonly traced: Traced, private readonly held: Held, private readonly words: Words) {
    this.trace = opened.trace;
    for (const one of this.trace.nodes) this.counts.set(one.resource, (this.counts.get(one.resource) ?? 0) + 1);
    this.whole = { width: Math.max(...opened.pictures.map((one) => one.width)), height: opened.pictures.reduce((sum, one) => sum + one.height, 0) };
    this.plate = h("div", { class: "plate", tabindex: "0", role: "application", "aria-label": this.say("picture", this.whole), "data-plate": true }, ...this.pictures(), this.mark, this.cross);
    this.plate.addEventListener("click", (event) => this.clicked(event));
    this.plate.addEventListener("keydown", (event) => this.pressed(event));
  }

  private say(name: string, facts: Record<string, string | number> = {}): string {
    return this.words.say(`page.engine.trace.${name}`, facts);
  }

  parts(): HTMLElement[] {
    const size = h("button", { type: "button", class: "button small", "aria-pressed": "false", "data-size": true, click: () => {
      const large = this.plate.parentElement!.classList.toggle("large");
      size.setAttribute("aria-pressed", String(large));
      this.draw();
    } }, this.say("actual-size"));
    this.chain.append(h("p", { class: "note" }, this.say("nothing-chosen")));
    return [
      h("ul", { class: "checks" }, ...this.basis()),
      h("div", { class: "links" }, size, h("p", { class: "note" }, this.say("keys"))),
      h("div", { class: "tracing" },
        h("div", { class: "scrolls" }, this.plate),
        this.chain),
      this.list(),
    ];
  }

  /** What all of it rests on, said before anything is shown. */
  private basis(): HTMLElement[] {
    const { sealedAt } = this.traced;
    const line = (outcome: string, ...children: Child[]): HTMLElement => h("li", { class: outcome }, markOf(outcome), h("span", {}, ...children), h("em", {}, this.words.say(`outcome.${outcome}`)));
    const command = `guzheng transcript ${shell(this.held.name || ".")} --exhibit ${this.traced.exhibit} --keys keys.log`;
    return [
      line("passed", this.say("bytes")),
      sealedAt ? line("passed", this.say("sealed"), " ", moment(sealedAt)) : line("not-checked", this.say("not-sealed")),
      line("not-checked", this.say("own"), " ", h("code", {}, command)),
    ];
  }

  private pictures(): HTMLElement[] {
    return this.opened.pictures.map((one, place) => {
      const address = URL.createObjectURL(one.octets);
      const image = h("img", { src: address, alt: this.say("part", { number: place + 1, count: this.opened.pictures.length }), width: String(one.width), height: String(one.height), draggable: "false" });
      return image;
    });
  }

  // ---- choosing a place ----------------------------------------------------------------------

  private clicked(event: MouseEvent): void {
    const frame = this.plate.getBoundingClientRect();
    const scale = this.whole.width / frame.width;
    void this.choose((event.clientX - frame.left) * scale, (event.clientY - frame.top) * scale);
  }

  private pressed(event: KeyboardEvent): void {
    const moves: Record<string, readonly [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    if (move === undefined && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    if (move === undefined) return void this.choose(...this.at);
    const stride = event.shiftKey ? STRIDE / 10 : STRIDE;
    this.at = this.within(this.at[0] + move[0] * stride, this.at[1] + move[1] * stride);
    this.draw();
    this.cross.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  private within(x: number, y: number): readonly [number, number] {
    const held = (value: number, most: number): number => Math.min(Math.max(Math.floor(value), 0), most - 1);
    return [held(x, this.whole.width), held(y, this.whole.height)];
  }

  private async choose(x: number, y: number): Promise<void> {
    this.at = this.within(x, y);
    this.draw();
    await this.show(under(this.trace.nodes, ...this.at).slice(0, SHOWN), 0, `${this.at[0]}, ${this.at[1]}`);
  }

  private draw(): void {
    this.cross.hidden = false;
    this.cross.style.left = `${(100 * this.at[0]) / this.whole.width}%`;
    this.cross.style.top = `${(100 * this.at[1]) / this.whole.height}%`;
  }

  private outline({ box: [left, top, width, height] }: Place): void {
    const share = (value: number, of: number): string => `${Math.min(100, (100 * value) / of)}%`;
    this.mark.hidden = false;
    this.mark.style.left = share(left, this.whole.width);
    this.mark.style.top = share(top, this.whole.height);
    this.mark.style.width = share(Math.min(width, this.whole.width - left), this.whole.width);
    this.mark.style.height = share(Math.min(height, this.whole.height - top), this.whole.height);
  }

  // ---- what is there -------------------------------------------------------------------------

  private async show(places: readonly Place[], chosen: number, where: string): Promise<void> {
    const mine = ++this.turn;
    const place = places[chosen];
    if (place === undefined) {
      this.mark.hidden = true;
      this.chain.replaceChildren(h("h3", {}, where), h("p", {}, this.words.say("proof.transcript.trace-none")));
      return;
    }
    this.outline(place);
    const answer = await this.held.ask({ kind: "follow", prefix: this.traced.prefix, resource: place.resource });
    if (mine !== this.turn) return; // another place was chosen since
    const others = places.length > 1 && h("ol", { class: "under" }, ...places.map((one, number) => h("li", {}, h("button", {
      type: "button", class: "quiet", "aria-pressed": String(number === chosen), click: () => void this.show(places, number, where),
    }, `${visible(one.name)} ${one.box[2]} × ${one.box[3]}`))));
    if (answer.kind !== "follow") {
      const code = answer.kind === "refused" ? answer.code : "verify.engine-failed";
      this.chain.replaceChildren(h("p", { class: "warned" }, `${this.say("not-shown")} ${this.words.find(`proof.${code}`) ?? this.words.find(code) ?? code}`));
      return;
    }
    const { hops } = answer;
    this.chain.replaceChildren(
      h("h3", {}, this.words.say("page.trace.found"), " ", h("small", {}, where)),
      others || "",
      h("ol", { class: "lines", "data-links": true }, ...this.placeLinks(place), ...hops.flatMap((one) => this.hopLinks(one)),
        hops.length === 0 && this.link(this.words.say("page.trace.wire"), "observed", null, this.words.say("transcript.trace.nothing-sent"))),
    );
  }

  /** One link of the chain: what it is, who says so, and what was found of it here. */
  private link(title: string, by: "observed" | "claimed", finding: Finding | null, ...facts: Child[]): HTMLElement {
    const outcome = finding?.outcome ?? "";
    const checked = finding && [h("p", { class: "note" }, markOf(outcome), h("em", {}, this.words.say(`outcome.${outcome}`)), " ", this.told(finding))];
    return h("li", { class: outcome || "told" }, h("p", {}, h("b", {}, title), " ", h("span", { class: "chip ended" }, this.say(by))), ...facts.map((one) => h("p", {}, one)), ...(checked ?? []));
  }

  private told(finding: Finding): string {
    if (finding.outcome !== "passed") return [this.words.find(`proof.${finding.code}`) ?? finding.code, finding.found && `(${visible(finding.found.slice(0, 200))})`].filter(Boolean).join(" ");
    const found = finding.step === "trace.archive" ? sizeOf(Number(finding.found)) : finding.found;
    return this.say(`${finding.step.slice(6)}-passed`, { found });
  }

  private placeLinks(place: Place): HTMLElement[] {
    const { url } = this.trace.resources[place.resource]!;
    const [left, top, width, height] = place.box;
    return [
      this.link(this.say("element"), "observed", null, h("code", {}, `${visible(place.name)} #${place.node}`), this.say("box", { left, top, width, height })),
      this.link(this.words.say("page.trace.resource"), "observed", null, h("code", {}, visible(url))),
    ];
  }

  private hopLinks({ step, connection, session, findings }: Hop): HTMLElement[] {
    const say = (code: string, facts = {}): string => this.words.say(code, facts);
    const links = [this.link(say("page.trace.request"), "observed", findings.request, h("code", {}, visible(step.url)))];
    if (!step.archive) links.push(this.link(say("page.trace.record"), "observed", null, this.say("no-record", { outcome: visible(step.outcome) || "–" })));
    else links.push(this.link(say("page.trace.record"), "observed", findings.archive, visible(say("transcript.trace.archive", { ...step.archive }))));
    if (!connection) return links;
    const { number, host, port, peer, protocol, cipher } = connection;
    links.push(this.link(say("page.trace.connection"), "observed", findings.connection, visible(`${number} · ${host}:${port} → ${peer} · ${protocol} ${cipher}`)));
    links.push(this.link(say("page.trace.certificates"), "claimed", findings.certificate, ...this.certificates(connection, session)));
    links.push(this.link(say("page.trace.answers"), connection.resolvers.length ? "claimed" : "observed", null, ...this.answers(connection)));
    return links;
  }

  private certificates(one: Connection, session: Hop["session"]): Child[] {
    if (one.resumedOf !== null) return [this.words.say("transcript.resumed", { number: one.resumedOf })];
    if (!one.chain.length) return [this.words.say("transcript.in-clear")];
    const said = session && this.say("certificate", { subject: visible(session.subject), issuer: visible(session.issuer), from: beijing(session.from).slice(0, 10), to: beijing(session.to).slice(0, 10) });
    return [said, ...one.chain.map((digest) => h("code", {}, digest)), one.signedBy && this.say("signed-by", { scheme: visible(one.signedBy) })].filter(Boolean);
  }

  private answers(one: Connection): Child[] {
    const spelled = (answers: readonly string[]): string => answers.map(visible).join(", ") || "–";
    const lines = one.resolvers.map(({ resolver, answers, authenticated }) =>
      this.say(authenticated === null ? "resolver" : authenticated ? "resolver-authenticated" : "resolver-unauthenticated", { resolver: visible(resolver), answers: spelled(answers) }));
    return lines.length ? lines : [spelled(one.answers)];
  }

  // ---- the list, for whoever does not point --------------------------------------------------

  private list(): HTMLElement {
    const { resources, nodes } = this.trace;
    const rows = resources.slice(0, LISTED).map(({ url }, number) => h("li", {}, h("button", { type: "button", class: "quiet", "data-resource": String(number), click: () => {
      const places = nodes.filter((one) => one.resource === number).slice(0, SHOWN);
      if (places[0]) this.at = this.within(places[0].box[0], places[0].box[1]);
      this.draw();
      this.mark.scrollIntoView({ block: "nearest" });
      void this.show(places, 0, "").then(() => this.chain.scrollIntoView({ block: "nearest" }));
    } }, h("code", {}, visible(url))), " ", h("small", {}, this.words.say("page.trace.boxes", { count: this.counts.get(number) ?? 0 }))));
    return h("details", { "data-resources": true }, h("summary", {}, `${this.words.say("page.trace.all")} (${resources.length})`), h("p", { class: "note" }, this.words.say("page.trace.all-note")),
      h("ol", { class: "lines" }, ...rows), resources.length > LISTED && h("p", { class: "note" }, this.words.say("page.trace.more")));
  }
}
