// verify.html: the same engine in one file, opened from a disc. No platform, no network; whom
// to believe comes with the package, or from the reader.

import en from "../../build/words/en.json";
import zh from "../../build/words/zh.json";
import workerText from "worker:text";
import { App } from "./app";
import { h } from "./elements";
import { Words, type Catalogue, type Language } from "./words";

declare const VERSION: string;

const asked = new URLSearchParams(location.search).get("lang") ?? navigator.language;
const language: Language = asked.startsWith("zh") || !asked.startsWith("en") ? "zh" : "en";
const words = new Words(language, (language === "zh" ? zh : en) as Catalogue);

document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
document.documentElement.classList.add("scripted");
document.title = words.say("page.engine.single-title");
const put = (selector: string, code: string): void => {
  const found = document.querySelector(selector);
  if (found) found.textContent = words.say(code);
};
put("[data-title]", "page.verify.heading");
put("[data-lead]", "page.engine.single-lead");
put("[data-legal]", "page.engine.single-legal");
put("[data-version]", "page.engine.version");
document.querySelector("[data-version]")?.append(` ${VERSION}`);
document.querySelector("[data-languages]")?.append(
  language === "zh" ? h("a", { href: "?lang=en", lang: "en" }, "English") : h("a", { href: "?lang=zh", lang: "zh-CN" }, "中文"),
);

const address = URL.createObjectURL(new Blob([workerText], { type: "text/javascript" }));
new App({
  root: document.querySelector<HTMLElement>("[data-engine-root]")!,
  words, version: VERSION, lookUp: null, serverForm: null, platformRoots: null, platformPolicy: null,
  startWorker: () => new Worker(address),
});
