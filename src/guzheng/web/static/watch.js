// An exhibit being fixed: asks for the page again and puts its new state in place of the old.
// One short sentence is announced when a step is done, not the whole page each time.

import { fetchPage, prepare } from "./frame.js";

const FIRST_MS = 700;
const LONGEST_MS = 5000;

const said = document.querySelector("[data-said]");
let pause = FIRST_MS;
let lastStep = "";

function current() {
  return document.querySelector("[data-live]");
}

function announce(live) {
  const step = live.querySelector(".steps .now b")?.textContent ?? live.dataset.state;
  if (step !== lastStep) {
    lastStep = step;
    said.textContent = step;
    pause = FIRST_MS;
  }
}

async function look() {
  try {
    const page = await fetchPage(location.href);
    const next = page.querySelector("[data-live]");
    if (next) {
      const live = document.importNode(next, true);
      const nameOf = (one) => one.getAttribute("href") || one.id;
      const focused = document.activeElement ? nameOf(document.activeElement) : "";
      current().replaceWith(live);
      prepare(live);
      if (focused) [...live.querySelectorAll("a, button")].find((one) => nameOf(one) === focused)?.focus();
      announce(live);
      document.title = page.title;
    }
  } catch {
    // the server may be starting again; what is on the page stays
  }
  pause = Math.min(pause * 1.25, LONGEST_MS);
  wait();
}

function wait() {
  if (current()?.hasAttribute("data-unfinished")) setTimeout(look, pause);
}

if (current()) {
  lastStep = current().querySelector(".steps .now b")?.textContent ?? current().dataset.state;
  wait();
}
