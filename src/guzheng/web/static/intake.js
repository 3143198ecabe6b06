// Dropping and uploading files, one after the other, each with its progress: broken off by a bad
// network or a closed page, it goes on where it was; a refused one says why, and does not hold up
// the others. Without this file the form posts.

import { cancelled, unfinished, Upload } from "./upload.js";

const form = document.querySelector("[data-intake]");
const zone = form.querySelector("[data-drop]");
const input = form.querySelector("input[type=file]");
const list = form.querySelector("[data-sending]");
const row = form.querySelector("[data-sending-row]");
const button = form.querySelector("[data-deposit]");
const words = form.querySelector("[data-words]").dataset;
const broken = form.querySelector("[data-broken]");
const limit = Number(form.dataset.limit);
const claims = ["name_subject", "name_scene", "name_day", "claimed_name", "claimed_applicant", "claimed_purpose"];

let chosen = [];
let waiting = [];
let sending = false;

function sizeOf(bytes) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let place = 0;
  let size = bytes;
  while (size >= 1024 && place < units.length - 1) { size /= 1024; place += 1; }
  return `${place ? size.toFixed(1) : size} ${units[place]}`;
}

function choose(files) {
  if (sending) return;
  chosen = [...files].map((file) => {
    const line = row.content.cloneNode(true).firstElementChild;
    line.querySelector(".name").textContent = file.name;
    line.querySelector(".size").textContent = sizeOf(file.size);
    line.querySelector(".said").textContent = words.waiting;
    return { file, line };
  });
  list.replaceChildren(...chosen.map((one) => one.line));
}

function say(one, text, link = null) {
  const said = one.line.querySelector(".said");
  said.textContent = text;
  if (link) {
    const anchor = document.createElement("a");
    anchor.href = link;
    anchor.textContent = words.open;
    said.append(" · ", anchor);
  }
}

function refuse(one, answer) {
  one.line.classList.add("failed");
  const parts = [answer?.title ?? words.failed];
  if (answer?.act) parts.push(answer.act);
  say(one, `${parts.join(" ")}${answer?.code ? ` [${answer.code}]` : ""}`);
}

function claimed() {
  const said = {};
  for (const name of claims) said[name] = form.elements[name].value;
  return said;
}

// One file, however often the line breaks; its address, or null.
async function send(one) {
  if (one.file.size > limit) {
    refuse(one, { title: words.tooBig });
    return null;
  }
  const bar = one.line.querySelector("progress");
  const pause = one.line.querySelector("[data-pause]");
  const cancel = one.line.querySelector("[data-cancel]");
  const upload = new Upload(one.file, {
    endpoint: form.dataset.upload,
    metadata: claimed(),
    tell: ({ kind, share }) => {
      bar.value = share;
      say(one, kind === "sending" ? `${words.sending} ${Math.floor(share * 100)} %` : words[kind]);
    },
  });
  const known = waiting.find((other) => other.name === one.file.name && other.size === one.file.size);
  pause.hidden = cancel.hidden = false;
  pause.onclick = () => {
    if (upload.paused) upload.resume(); else upload.pause();
    pause.textContent = upload.paused ? words.resume : words.pause;
  };
  cancel.onclick = () => upload.cancel();
  try {
    const address = await upload.run(known);
    if (address) {
      bar.value = 1;
      say(one, words.kept, address);
    } else {
      say(one, words.cancelled);
    }
    return address;
  } catch (problem) {
    refuse(one, problem.answer);
    return null;
  } finally {
    pause.hidden = cancel.hidden = true;
    await tellWaiting();
  }
}

// What was broken off before, here or on another device: its file must be chosen again, since
// no page can open it by itself.
async function tellWaiting() {
  waiting = (await unfinished(form.dataset.upload)).filter((one) => !one.original_of);
  const open = new Set(chosen.map((one) => one.file.name));
  broken.replaceChildren(...waiting.filter((one) => !sending || !open.has(one.name)).map((one) => {
    const line = document.createElement("li");
    const name = document.createElement("b");
    name.className = "name";
    name.textContent = one.name;
    const share = document.createElement("span");
    share.className = "said";
    share.textContent = `${Math.floor((one.offset / one.size) * 100)} % · ${words.again}`;
    const drop = document.createElement("button");
    drop.type = "button";
    drop.className = "quiet";
    drop.textContent = words.cancel;
    drop.addEventListener("click", async () => { await cancelled(one.address); await tellWaiting(); });
    line.append(name, share, drop);
    return line;
  }));
  broken.hidden = !broken.childElementCount;
}

zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
zone.addEventListener("dragleave", () => zone.classList.remove("over"));
zone.addEventListener("drop", (event) => {
  event.preventDefault();
  zone.classList.remove("over");
  choose(event.dataTransfer.files);
});
input.addEventListener("change", () => choose(input.files));

form.addEventListener("submit", async (event) => {
  if (event.submitter !== button) return; // an address: the form posts as it is
  event.preventDefault();
  if (sending) return;
  if (!chosen.length) {
    list.textContent = words.none;
    input.focus();
    return;
  }
  sending = true;
  button.disabled = true;
  const kept = [];
  for (const one of chosen) {
    const address = await send(one);
    if (address) kept.push(address);
  }
  sending = false;
  button.disabled = false;
  if (kept.length === 1 && chosen.length === 1) location.assign(kept[0]);
});

// An address needs no files, and files that were chosen are not to be sent along with it.
form.addEventListener("formdata", (event) => event.formData.delete("file"));

addEventListener("beforeunload", (event) => { if (sending) event.preventDefault(); });
tellWaiting();
