// Hashes a file beside the page, so that the page stays alive; the file goes nowhere.

import { Sha256 } from "./sha256.js";

const ONE_SHOT = 64 * 1024 * 1024; // above this the browser's own digest would hold it all
const PART = 4 * 1024 * 1024;

addEventListener("message", async ({ data: file }) => {
  try {
    if (crypto.subtle && file.size <= ONE_SHOT) {
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
      postMessage({ sha256: [...digest].map((one) => one.toString(16).padStart(2, "0")).join("") });
      return;
    }
    const hasher = new Sha256();
    for (let at = 0; at < file.size; at += PART) {
      hasher.update(new Uint8Array(await file.slice(at, at + PART).arrayBuffer()));
      postMessage({ share: Math.min(1, (at + PART) / file.size) });
    }
    postMessage({ sha256: hasher.hex() });
  } catch (error) {
    postMessage({ failed: String(error) });
  }
});
