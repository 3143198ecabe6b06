// The list of evidence: says how many are chosen while boxes are ticked, and when they are too
// many, and saves a form that goes nowhere. Without this file the form does the same with one
// more page.

const form = document.querySelector("[data-shelf]");
const count = form.querySelector("[data-count]");
const over = form.querySelector("[data-over]");
const needing = form.querySelectorAll("[data-needs-chosen]");

function tell() {
  if (!count) return;
  const chosen = form.querySelectorAll("[name=exhibit]:checked, [data-elsewhere]").length;
  count.textContent = chosen;
  for (const button of needing) button.disabled = !chosen;
  over.hidden = chosen <= Number(count.dataset.most);
}

form.addEventListener("change", (event) => {
  if (event.target.name === "exhibit") tell();
});
// What is empty is left out of the address; before the browser gathers the fields.
form.addEventListener("formdata", (event) => {
  for (const name of ["q", "kind", "state", "since", "until", "before", "person", "case"]) {
    if (event.formData.get(name) === "") event.formData.delete(name);
  }
});
addEventListener("pageshow", tell); // the browser may have ticked boxes again
tell();
