// The ledger's page: a file is hashed on this device, and only its fingerprint is asked about.

import { fetchPage, prepare } from "./frame.js";
import { sha256Of } from "./hashing.js";

const form = document.querySelector("[data-lookup]");
const going = form.querySelector("[data-going]");
const said = form.querySelector("[data-going-said]");
const bar = going.querySelector("progress");
const words = form.querySelector("[data-words]").dataset;
const chosen = form.querySelector("[data-chosen]");

function tell(text, share = null) {
  going.hidden = false;
  if (said.textContent !== text) said.textContent = text;
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
}

function show(page) {
  const answer = document.importNode(page.querySelector("[data-answer]"), true);
  document.querySelector("[data-answer]").replaceWith(answer);
  prepare(answer);
  const verdict = answer.querySelector("[data-verdict], .trouble");
  verdict?.scrollIntoView({ block: "start" });
  verdict?.focus?.({ preventScroll: true });
}

form.elements.file.addEventListener("change", () => {
  chosen.textContent = form.elements.file.files[0]?.name ?? chosen.dataset.none;
  chosen.closest(".slot").classList.toggle("filled", Boolean(form.elements.file.files[0]));
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = form.elements.file.files[0];
  const body = new FormData();
  for (const name of ["number", "index"]) body.append(name, form.elements[name].value);
  try {
    if (file) {
      tell(words.hashing, 0);
      body.append("name", file.name);
      body.append("sha256", await sha256Of(file, form.dataset.worker, (share) => tell(words.hashing, share)));
    }
    tell(words.asking);
    show(await fetchPage(form.action, { method: "POST", body }));
    going.hidden = true;
  } catch {
    tell(words.failed, 0);
  }
});

form.querySelector("[data-local]").hidden = false;
