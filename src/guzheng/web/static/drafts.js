// What was typed into a form whose sender turned out not to be signed in any more, or had to show
// once more who he is: put back when he returns to its page. It stays in this tab, until the next
// page that is not of the sign-in; only who typed it gets it back; signing out clears it.

const KEY = "draft";
const ON_THE_WAY = /^\/(login|me\/prove)(\/|$)/;
const UNKEPT = new Set(["hidden", "password", "file", "submit", "button", "image", "reset"]);

function found() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null; // none, or a browser that keeps nothing
  }
}

function keep(draft) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(draft));
  } catch {
    // Full, or forbidden: then it is as without a script.
  }
}

const ticked = (one) => one.type === "checkbox" || one.type === "radio";
const typed = (form) => [...form.elements].filter((one) => one.name && "value" in one && !UNKEPT.has(one.type));

function put(form, values) {
  const left = typed(form);
  let changed = false;
  for (const [name, value] of values) {
    const at = left.findIndex((one) => one.name === name);
    if (at < 0) continue;
    const [one] = left.splice(at, 1);
    const before = ticked(one) ? one.checked : one.value;
    if (before === value) continue;
    if (ticked(one)) one.checked = value;
    else one.value = value;
    changed = true;
    one.closest("details")?.setAttribute("open", "");
    for (const kind of ["input", "change"]) one.dispatchEvent(new Event(kind, { bubbles: true }));
  }
  return changed;
}

export function keepDrafts(main) {
  const reader = document.body.dataset.reader;
  const here = location.pathname;
  const draft = found();
  if (ON_THE_WAY.test(here)) {
    if (draft) keep({ ...draft, led: true });
    return;
  }
  if (draft) sessionStorage.removeItem(KEY);
  if (draft?.led && reader && draft.reader === reader && draft.page === here) {
    const form = [...document.forms].find((one) => one.getAttribute("action") === draft.action);
    if (form && put(form, draft.values)) {
      const said = document.createElement("p");
      said.className = "card";
      said.setAttribute("role", "status");
      said.textContent = main.dataset.restored;
      main.prepend(said);
    }
  }
  document.addEventListener("submit", ({ target: form }) => {
    if (form.method !== "post" || !reader) return;
    const values = typed(form).map((one) => [one.name, ticked(one) ? one.checked : one.value]);
    if (values.length) keep({ reader, page: here, action: form.getAttribute("action"), values });
  });
}
