// SHA-256 (FIPS 180-4) in parts, for files too large for the browser's own one-shot digest.
// Compared in the tests with published vectors and with WebCrypto.

const K = new Int32Array(64); // signed, as the engine computes fastest
const START = new Int32Array(8);

// The constants are the first 32 bits of the fractions of cube and square roots of primes.
{
  const primes = [];
  for (let n = 2; primes.length < 64; n += 1) if (primes.every((p) => n % p)) primes.push(n);
  const fraction = (value) => Math.floor((value - Math.floor(value)) * 2 ** 32);
  primes.forEach((p, place) => {
    K[place] = fraction(Math.cbrt(p));
    if (place < 8) START[place] = fraction(Math.sqrt(p));
  });
}

export class Sha256 {
  #state = START.slice();
  #schedule = new Int32Array(64);
  #rest = new Uint8Array(64);
  #held = 0;
  #length = 0;

  update(octets) {
    this.#length += octets.length;
    let at = 0;
    if (this.#held) {
      at = Math.min(64 - this.#held, octets.length);
      this.#rest.set(octets.subarray(0, at), this.#held);
      this.#held += at;
      if (this.#held < 64) return this;
      this.#blocks(this.#rest, 0, 64);
      this.#held = 0;
    }
    const end = at + ((octets.length - at) & ~63);
    this.#blocks(octets, at, end);
    this.#rest.set(octets.subarray(end), 0);
    this.#held = octets.length - end;
    return this;
  }

  hex() {
    const bits = this.#length * 8;
    const padding = new Uint8Array(((this.#held < 56 ? 56 : 120) - this.#held) + 8);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(padding.length - 4, bits >>> 0);
    this.update(padding);
    return [...this.#state].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #blocks(octets, from, to) {
    const w = this.#schedule;
    const state = this.#state;
    let a = state[0], b = state[1], c = state[2], d = state[3];
    let e = state[4], f = state[5], g = state[6], h = state[7];
    for (let at = from; at < to; at += 64) {
      for (let i = 0, o = at; i < 16; i += 1, o += 4) {
        w[i] = (octets[o] << 24) | (octets[o + 1] << 16) | (octets[o + 2] << 8) | octets[o + 3];
      }
      for (let i = 16; i < 64; i += 1) {
        const x = w[i - 15];
        const y = w[i - 2];
        const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
        const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
        w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
      }
      for (let i = 0; i < 64; i += 1) {
        const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
        const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
        const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
        const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g; g = f; f = e; e = (d + t1) | 0;
        d = c; c = b; b = a; a = (t1 + t2) | 0;
      }
      a = state[0] = state[0] + a; b = state[1] = state[1] + b;
      c = state[2] = state[2] + c; d = state[3] = state[3] + d;
      e = state[4] = state[4] + e; f = state[5] = state[5] + f;
      g = state[6] = state[6] + g; h = state[7] = state[7] + h;
    }
  }
}
