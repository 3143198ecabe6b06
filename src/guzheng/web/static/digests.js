// The fingerprint of a chosen file is made on this device and written into the fields of the
// form; the file field has no name and is never sent. Without this file the fields are typed.

import { sha256Of } from "./hashing.js";

const form = document.querySelector("[data-digests]");
const input = form.querySelector("[data-file]");
const said = form.querySelector("[data-said]");
const bar = form.querySelector("[data-progress]");
const button = form.querySelector("button[type=submit]");
const fields = form.elements;

form.querySelector("[data-scripted]").hidden = false;

let turn = 0;

input.addEventListener("change", async () => {
  const file = input.files[0];
  if (!file) return;
  turn += 1;
  const mine = turn;
  fields.sha256.value = "";
  fields.sm3.value = "";
  button.disabled = true;
  bar.hidden = false;
  bar.value = 0;
  said.textContent = said.dataset.hashing;
  try {
    const sha256 = await sha256Of(file, form.dataset.worker, (share) => { if (mine === turn) bar.value = share; });
    if (mine !== turn) return; // another file was chosen meanwhile
    fields.name.value = file.name;
    fields.size.value = file.size;
    fields.sha256.value = sha256;
    said.textContent = said.dataset.done;
  } catch {
    if (mine === turn) said.textContent = said.dataset.failed;
  } finally {
    if (mine === turn) {
      bar.hidden = true;
      button.disabled = false;
    }
  }
});
