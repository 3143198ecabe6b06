// Dropping and uploading files: one request for each, with its progress, so that a large one
// does not hold up the others and a refused one says why. Without this file the form posts.

const form = document.querySelector("[data-intake]");
const zone = form.querySelector("[data-drop]");
const input = form.querySelector("input[type=file]");
const list = form.querySelector("[data-sending]");
const row = form.querySelector("[data-sending-row]");
const button = form.querySelector("[data-deposit]");
const words = form.querySelector("[data-words]").dataset;
const limit = Number(form.dataset.limit);
const claims = ["name_subject", "name_scene", "name_day", "claimed_name", "claimed_applicant", "claimed_purpose"];

let chosen = [];
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

function send(one) {
  return new Promise((resolve) => {
    if (one.file.size > limit) {
      refuse(one, { title: words.tooBig });
      resolve(null);
      return;
    }
    const body = new FormData(); // the claims first: they speak of the file that follows
    for (const name of claims) body.append(name, form.elements[name].value);
    body.append("file", one.file, one.file.name);
    const bar = one.line.querySelector("progress");
    const request = new XMLHttpRequest();
    request.open("POST", form.dataset.upload);
    request.responseType = "json";
    request.setRequestHeader("Accept", "application/json");
    say(one, words.sending);
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) bar.value = event.loaded / event.total;
    });
    request.upload.addEventListener("load", () => say(one, words.keeping));
    request.addEventListener("load", () => {
      const answer = request.response;
      if (request.status === 201 && answer?.address) {
        bar.value = 1;
        say(one, words.kept, answer.address);
        resolve(answer.address);
      } else {
        refuse(one, answer);
        resolve(null);
      }
    });
    request.addEventListener("error", () => { refuse(one, null); resolve(null); });
    request.send(body);
  });
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
