// Building the page without a string ever becoming markup (trusted types hold by construction).

export type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | boolean | ((event: Event) => void)>;

export function h(name: string, attributes: Attributes = {}, ...children: Child[]): HTMLElement {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false) element.setAttribute(key, value);
  }
  element.append(...children.filter((one): one is Node | string => one !== null && one !== undefined && one !== false));
  return element;
}

const PATHS: Record<string, string> = {
  check: "M4.5 12.5l5 5 10-11",
  cross: "M6 6l12 12M18 6L6 18",
  unsure: "M12 5v9M12 18.5v.5",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  drop: "M12 15V4M7.5 8.5L12 4l4.5 4.5M4 15v5h16v-5",
  shield: "M12 3l7.500 3v6c0 4.500-3 7.500-7.500 9-4.500-1.500-7.500-4.500-7.500-9V6zM8.500 12l2.500 2.500 4.500-5",
  stamp: "M5 20h14M6 16.500h12v-3h-4.500c0-3 1.500-3.500 1.500-6a3 3 0 0 0-6 0c0 2.500 1.500 3 1.500 6H6z",
  copy: "M8 8h12v12H8zM16 8V4H4v12h4",
  list: "M9 6h11M9 12h11M9 18h11M4 6h.5M4 12h.5M4 18h.5",
};

export function icon(name: string): SVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  for (const [key, value] of [["class", "icon"], ["viewBox", "0 0 24 24"], ["aria-hidden", "true"], ["focusable", "false"]] as const) svg.setAttribute(key, value);
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", PATHS[name] ?? "");
  svg.append(path);
  return svg;
}

export const markOf = (outcome: string): SVGElement => icon(outcome === "passed" ? "check" : outcome === "failed" ? "cross" : "unsure");

/** What could deceive the eye (direction marks, control characters) is made visible. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu, (one) => `\\u${one.codePointAt(0)!.toString(16).padStart(4, "0")}`);
}

/** The name of a file as a shell reads one word, and no program takes it for an option. */
export function shell(text: string): string {
  const name = text.startsWith("-") ? `./${text}` : text;
  return /^[\w@%+=:,./-]+$/.test(name) ? name : `'${name.replaceAll("'", `'"'"'`)}'`;
}

/** A fingerprint in groups of eight. */
export function digits(hex: string): HTMLElement {
  const code = h("code", { class: "digits" });
  for (let at = 0; at < hex.length; at += 8) code.append(h("span", {}, hex.slice(at, at + 8)));
  return code;
}

export function beijing(at: string): string {
  const text = new Date(Date.parse(at) + 8 * 3600_000).toISOString();
  return `${text.slice(0, 10)} ${text.slice(11, 23)}`;
}

export const moment = (at: string): HTMLElement => h("time", { datetime: at, title: at }, beijing(at));

export function sizeOf(octets: number): string {
  const exact = `${octets.toLocaleString("en")} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let [value, unit] = [octets, ""];
  for (const one of units) {
    if (value < 1024) break;
    [value, unit] = [value / 1024, one];
  }
  return unit ? `${value.toFixed(1)} ${unit} (${exact})` : exact;
}
