// The header clock. Its time is the server's, carried forward by a monotonic counter.
// The device's own clock is never a source: Date.now() serves as a tripwire only, since the
// counter may stand still while a device sleeps. Until a sync succeeded, and again when the
// last one is too old or the server doubts its own clock, the clock shows zeros and says that
// it is not synced.

const SAMPLES = 5;
const RESYNC_MS = 60_000;
const STALE_MS = 180_000;
const RETRY_MS = 5_000;
const SLEPT_MS = 400; // how far the counter and the device's clock may drift apart
const ZEROS = "0000-00-00 00:00:00:000(UTC+08:00)";
const BEIJING_MS = 8 * 3600_000;

export function spell(epochMs) {
  const at = new Date(epochMs + BEIJING_MS).toISOString(); // only spells; no time is read here
  return `${at.slice(0, 10)} ${at.slice(11, 19)}:${at.slice(20, 23)}(UTC+08:00)`;
}

// One question: what the server said, and the uncertainty that the round trip leaves.
async function sample(address) {
  const before = performance.now();
  const response = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(4000) });
  const after = performance.now();
  if (!response.ok) throw new Error(String(response.status));
  const reading = await response.json();
  if (reading.standing === "stopped") return { stopped: true, reading };
  const now = Date.parse(reading.now);
  if (!Number.isFinite(now)) throw new Error("no time");
  return { offset: now - (before + after) / 2, uncertainty: (after - before) / 2, reading };
}

export function startClock(element) {
  const face = element.querySelector("[data-clock-face]");
  const unsynced = element.querySelector("[data-clock-unsynced]");
  const here = element.querySelector("[data-clock-here]");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let best = null; // { offset, uncertainty, at, device }
  let syncing = false;
  let timer = 0;

  async function sync() {
    if (syncing) return;
    syncing = true;
    clearTimeout(timer);
    let closest = null;
    try {
      for (let count = 0; count < SAMPLES; count += 1) {
        const one = await sample(element.dataset.source);
        tellSource(one.reading);
        if (one.stopped) { // the server doubts its own clock: a time that is shown would be false
          best = closest = null;
          break;
        }
        if (!closest || one.uncertainty < closest.uncertainty) closest = one;
      }
    } catch {
      // what was measured before the failure still counts
    }
    if (closest) best = { ...closest, at: performance.now(), device: Date.now() };
    syncing = false;
    timer = setTimeout(sync, closest ? RESYNC_MS : RETRY_MS);
  }

  function trusted() {
    if (!best) return false;
    const counted = performance.now() - best.at;
    const slept = Math.abs(Date.now() - best.device - counted) > SLEPT_MS;
    if (slept) {
      best = null;
      sync();
    }
    return !slept && counted < STALE_MS;
  }

  let shown = 0;
  function tick(frame) {
    if (frame - shown >= (still.matches ? 1000 : 45)) {
      shown = frame;
      const good = trusted();
      face.textContent = good ? spell(performance.now() + best.offset) : ZEROS;
      if (unsynced.hidden !== good) unsynced.hidden = good;
      if (element.open) tellHere(good);
    }
    requestAnimationFrame(tick);
  }

  // Where the server has its time from, as it says now and not when the page was made.
  function tellSource(reading) {
    const facts = {
      source: reading.standing === "unverified" ? null : reading.source,
      offset_ms: reading.offset_ms === null ? null : `${reading.offset_ms} ms`,
      uncertainty_ms: reading.uncertainty_ms === null ? null : `±${reading.uncertainty_ms} ms`,
      synced_at: reading.synced_at === null ? null : spell(Date.parse(reading.synced_at)),
    };
    for (const [name, text] of Object.entries(facts)) {
      if (text) element.querySelector(`[data-clock-fact="${name}"]`).textContent = text;
    }
    const standing = element.querySelector('[data-clock-fact="standing"]');
    standing.textContent = standing.dataset[reading.standing];
    for (const sign of document.querySelectorAll("[data-clock-unverified]")) {
      sign.hidden = reading.verified;
    }
  }

  function tellHere(good) {
    here.textContent = good
      ? here.dataset.synced
        .replace("{uncertainty}", best.uncertainty.toFixed(1))
        .replace("{seconds}", Math.round((performance.now() - best.at) / 1000))
      : here.dataset.none;
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden) sync(); });
  addEventListener("pageshow", (event) => { if (event.persisted) { best = null; sync(); } });
  addEventListener("online", sync);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && element.open) { element.open = false; element.querySelector("summary").focus(); } });
  document.addEventListener("click", (event) => { if (element.open && !element.contains(event.target)) element.open = false; });
  sync();
  requestAnimationFrame(tick);
}
