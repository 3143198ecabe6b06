// The page that waits for a code: when another may be sent, counted down second by second.
// Without this script the button is there at once, and the server says how long to wait.

const again = document.querySelector("[data-resend]");
const button = again?.querySelector("button");
const said = again?.querySelector("[data-wait]");
const begun = performance.now();

function show() {
  const left = Math.ceil(Number(again.dataset.resend) - (performance.now() - begun) / 1000);
  button.disabled = left > 0;
  said.textContent = left > 0 ? again.dataset.words.replace("#", String(left)) : "";
  if (left > 0) setTimeout(show, 250);
}

if (again) show();
