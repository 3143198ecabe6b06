// The verify page: files dropped anywhere are sorted, a single file is hashed on this device,
// and only its fingerprint and the token are sent. A package has to be sent whole.

import { fetchPage, prepare } from "./frame.js";
import { sha256Of } from "./hashing.js";

const root = document.querySelector("[data-verify]");
const pair = root.querySelector("[data-pair]");
const parcel = root.querySelector("[data-package]");
const going = root.querySelector("[data-going]");
const said = root.querySelector("[data-going-said]");
const bar = going.querySelector("progress");
const words = root.querySelector("[data-words]").dataset;
const curtain = document.querySelector("[data-curtain]");
const inputs = { file: pair.elements.file, token: pair.elements.token, package: parcel.elements.package };
const chosen = { file: null, token: null, package: null };

function put(kind, file) {
  chosen[kind] = file;
  const slot = inputs[kind].closest(".slot");
  const note = slot.querySelector("[data-chosen]");
  note.textContent = file ? file.name : note.dataset.none;
  slot.classList.toggle("filled", Boolean(file));
}

function tell(text, share = null) {
  going.hidden = false;
  if (said.textContent !== text) said.textContent = text;
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
}

const hashed = (file) => sha256Of(file, root.dataset.worker, (share) => tell(words.hashing, share));

function show(page) {
  const answer = document.importNode(page.querySelector("[data-answer]"), true);
  document.querySelector("[data-answer]").replaceWith(answer);
  prepare(answer);
  document.title = page.title;
  const heading = page.querySelector(".again");
  const before = document.querySelector(".intro, .again");
  if (heading && before) before.replaceWith(document.importNode(heading, true));
  const verdict = answer.querySelector("[data-verdict], .trouble");
  verdict?.scrollIntoView({ block: "start" });
  verdict?.focus?.({ preventScroll: true });
}

async function ask(body, text) {
  tell(text);
  try {
    const onProgress = (event) => { if (event.lengthComputable) tell(text, event.loaded / event.total); };
    show(await fetchPage(root.dataset.address, { method: "POST", body, onProgress }));
    for (const kind of Object.keys(chosen)) { inputs[kind].value = ""; put(kind, null); }
    going.hidden = true;
  } catch {
    tell(words.failed, 0);
  }
}

async function checkPair() {
  if (!chosen.file || !chosen.token) { tell(words.needBoth, 0); return; }
  try {
    tell(words.hashing, 0);
    const body = new FormData();
    body.append("name", chosen.file.name);
    body.append("size", String(chosen.file.size));
    body.append("sha256", await hashed(chosen.file));
    body.append("token", chosen.token, chosen.token.name);
    await ask(body, words.asking);
  } catch {
    tell(words.failed, 0);
  }
}

async function checkPackage() {
  if (!chosen.package) return;
  const body = new FormData();
  body.append("package", chosen.package, chosen.package.name);
  await ask(body, words.sending);
}

const isToken = (file) => /\.(tsa|tsr)$/i.test(file.name);
const isPackage = (file) => /\.(zip|pdf)$/i.test(file.name);

// What was dropped says what is wanted: a .tsa goes with a file; a zip or a certificate without
// one is checked by itself.
function take(files) {
  const token = files.find(isToken);
  const other = files.find((file) => !isToken(file));
  if (other && isPackage(other) && !token && !chosen.token) {
    put("package", other);
    checkPackage();
    return;
  }
  if (token) put("token", token);
  if (other) put("file", other);
  if (chosen.file && chosen.token) checkPair();
  else tell(words.needBoth, 0);
}

for (const [kind, input] of Object.entries(inputs)) {
  input.addEventListener("change", () => put(kind, input.files[0] ?? null));
}
pair.addEventListener("submit", (event) => { event.preventDefault(); checkPair(); });
parcel.addEventListener("submit", (event) => { event.preventDefault(); checkPackage(); });
pair.querySelector("[data-local]").hidden = false;

let depth = 0;
const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
addEventListener("dragenter", (event) => { if (carriesFiles(event)) { depth += 1; curtain.hidden = false; } });
addEventListener("dragleave", () => { depth = Math.max(0, depth - 1); if (!depth) curtain.hidden = true; });
addEventListener("dragover", (event) => { if (carriesFiles(event)) event.preventDefault(); });
addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  depth = 0;
  curtain.hidden = true;
  take([...event.dataTransfer.files]);
});
