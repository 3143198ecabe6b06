// One file to /api/uploads (tus 1.0.0): piece by piece, each under its SHA-256 where the browser
// can make one, broken off and taken up again by itself, paused, or after the page was closed.

const LARGEST_PIECE = 8 * 1024 * 1024;
const SMALLEST_PIECE = 64 * 1024;
const LARGEST_PART = 256 * 1024 * 1024; // that is read at once to be compared
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15000;
const TUS = { "Tus-Resumable": "1.0.0" };
const ENDED = new Set([400, 401, 402, 403, 404, 410, 412, 413, 415, 422, 429, 507]);

export class Problem extends Error {
  constructor(answer) {
    super(answer?.code ?? "network");
    this.answer = answer;
  }
}

const base64 = (octets) => btoa(Array.from(octets, (one) => String.fromCharCode(one)).join(""));
const encoded = (text) => base64(new TextEncoder().encode(text));
const hex = (octets) => Array.from(octets, (one) => one.toString(16).padStart(2, "0")).join("");

async function sha256(blob) {
  if (!globalThis.crypto?.subtle) return null; // only on secure origins
  return new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
}

// What this account has not finished; empty where that cannot be known now.
export async function unfinished(endpoint) {
  try {
    const answer = await fetch(endpoint, { headers: { Accept: "application/json" } });
    return answer.ok ? (await answer.json()).uploads : [];
  } catch {
    return [];
  }
}

export async function cancelled(address) {
  const answer = await fetch(address, { method: "DELETE", headers: TUS });
  return answer.ok || answer.status === 404;
}

// Whether the file in hand has the very octets that are there already.
async function isSame(file, known) {
  for (const part of known.parts) {
    // What a program sent without checksums is one part of any size; then it is sent anew.
    if (part.size > LARGEST_PART) return false;
    const digest = await sha256(file.slice(part.offset, part.offset + part.size));
    if (!digest || hex(digest) !== part.sha256) return false;
  }
  return true;
}

export class Upload {
  // tell(event): {kind: "checking" | "sending" | "keeping" | "offline" | "paused", share}
  constructor(file, { endpoint, metadata, tell }) {
    this.file = file;
    this.endpoint = endpoint;
    this.metadata = metadata;
    this.tell = tell;
    this.address = null;
    this.offset = 0;
    this.piece = LARGEST_PIECE; // halved when the line breaks: a piece that never gets through helps nobody
    this.paused = false;
    this.ended = false;
    this.request = null;
    this.wake = () => {};
  }

  pause() {
    this.paused = true;
    this.request?.abort();
    this.tell({ kind: "paused", share: this.share(0) });
  }

  resume() {
    this.paused = false;
    this.wake();
  }

  async cancel() {
    this.ended = true;
    this.request?.abort();
    this.wake();
    if (this.address) await cancelled(this.address);
  }

  share(sent) {
    return this.file.size ? (this.offset + sent) / this.file.size : 0;
  }

  // The address of the exhibit; null when it was cancelled. Throws Problem when it is refused.
  async run(known = null) {
    if (known) {
      this.tell({ kind: "checking", share: 0 });
      if (await isSame(this.file, known)) {
        this.address = known.address;
        this.offset = known.offset;
      }
    }
    let pause = FIRST_WAIT_MS;
    let doubtful = Boolean(this.address);
    while (!this.ended) {
      try {
        if (this.paused) await this.sleep();
        else if (!this.address) await this.create();
        else {
          const exhibit = doubtful ? await this.look() : await this.send();
          doubtful = false;
          pause = FIRST_WAIT_MS;
          if (exhibit) return `/exhibits/${exhibit}`;
        }
      } catch (problem) {
        if (this.ended) break;
        doubtful = Boolean(this.address); // what came in is asked, never guessed
        if (this.paused) continue;
        if (problem.answer) throw problem;
        this.piece = Math.max(SMALLEST_PIECE, this.piece / 2);
        this.tell({ kind: "offline", share: this.share(0) });
        await this.sleep(pause);
        pause = Math.min(pause * 2, LONGEST_WAIT_MS);
      }
    }
    return null;
  }

  async create() {
    const said = { filename: this.file.name, filetype: this.file.type, ...this.metadata };
    const pairs = Object.entries(said).filter(([, text]) => text);
    const answer = await this.ask("POST", this.endpoint, null, {
      "Upload-Length": String(this.file.size),
      "Upload-Metadata": pairs.map(([name, text]) => `${name} ${encoded(text)}`).join(","),
    });
    this.address = answer.getResponseHeader("Location");
  }

  async look() {
    const answer = await this.ask("GET", this.address, null, {});
    this.offset = Number(answer.getResponseHeader("Upload-Offset"));
    return answer.getResponseHeader("Guzheng-Exhibit");
  }

  async send() {
    const piece = this.file.slice(this.offset, this.offset + this.piece);
    const last = this.offset + piece.size >= this.file.size;
    const headers = { "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(this.offset) };
    const digest = await sha256(piece);
    if (digest) headers["Upload-Checksum"] = `sha256 ${base64(digest)}`;
    if (this.paused || this.ended) return null;
    const answer = await this.ask("PATCH", this.address, piece, headers, (sent) => {
      const kind = last && sent >= piece.size ? "keeping" : "sending";
      this.tell({ kind, share: this.share(sent) });
    });
    this.offset = Number(answer.getResponseHeader("Upload-Offset"));
    this.piece = Math.min(LARGEST_PIECE, this.piece * 2);
    return answer.getResponseHeader("Guzheng-Exhibit");
  }

  // A request that waits for its answer; a refusal that no second try would change is final.
  ask(method, address, body, headers, onSent = null) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      this.request = request;
      request.open(method, address);
      for (const [name, value] of Object.entries({ Accept: "application/json", ...TUS, ...headers })) {
        request.setRequestHeader(name, value);
      }
      if (onSent) {
        request.upload.addEventListener("progress", (event) => onSent(event.loaded));
        request.upload.addEventListener("load", () => onSent(body.size));
      }
      request.addEventListener("load", () => {
        if (request.status >= 200 && request.status < 300) resolve(request);
        else reject(new Problem(ENDED.has(request.status) ? readable(request) : null));
      });
      for (const kind of ["error", "abort", "timeout"]) {
        request.addEventListener(kind, () => reject(new Problem(null)));
      }
      request.send(body);
    });
  }

  // Until it is woken, the network is back, or the time is over.
  sleep(milliseconds = null) {
    return new Promise((resolve) => {
      const timer = milliseconds === null ? null : setTimeout(resolve, milliseconds);
      const woken = () => { clearTimeout(timer); resolve(); };
      this.wake = woken;
      if (milliseconds !== null) addEventListener("online", woken, { once: true });
    });
  }
}

function readable(request) {
  try {
    return JSON.parse(request.responseText);
  } catch {
    return { code: String(request.status) };
  }
}
