// The platform's own catalogue; a code without words is shown as itself.

export type Language = "zh" | "en";
export type Catalogue = Record<string, string>;

export class Words {
  constructor(readonly language: Language, private readonly catalogue: Catalogue) {}

  find(code: string, facts: Record<string, string | number> = {}): string | null {
    const words = this.catalogue[code];
    return words === undefined ? null : words.replace(/\{([a-z][a-z0-9_]*)\}/g, (blank, name: string) => String(facts[name] ?? blank));
  }

  say(code: string, facts: Record<string, string | number> = {}): string {
    return this.find(code, facts) ?? code;
  }
}
