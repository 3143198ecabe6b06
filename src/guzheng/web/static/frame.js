// Every page: the header clock, and the small helps that need a script (copy, print).
// The pages are complete without this file.

import { startClock } from "./clock.js";
import { keepDrafts } from "./drafts.js";

document.documentElement.classList.add("scripted");

for (const clock of document.querySelectorAll("[data-clock]")) startClock(clock);

export function prepare(root) {
  for (const button of root.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue; // only on secure origins; the text can be selected
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
      const label = button.querySelector("[data-copied]");
      const before = label.textContent;
      label.textContent = label.dataset.copied;
      setTimeout(() => { label.textContent = before; }, 2000);
    });
  }
  for (const button of root.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }
}

prepare(document);
keepDrafts(document.querySelector("main"));

// A page of ours as a document: parsed, not run, and no string becomes markup.
export function fetchPage(address, { method = "GET", body = null, onProgress = null } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, address);
    request.responseType = "document";
    request.setRequestHeader("Accept", "text/html");
    if (onProgress) request.upload.addEventListener("progress", onProgress);
    request.addEventListener("load", () => (request.response ? resolve(request.response) : reject(new Error("empty"))));
    request.addEventListener("error", () => reject(new Error("network")));
    request.send(body);
  });
}
