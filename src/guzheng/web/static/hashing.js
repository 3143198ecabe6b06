// The SHA-256 of a file, made beside the page on this device: the file goes nowhere.

let addresses = null;

// Trusted types: the one script address that may be made from a string, and only this one.
function worker(address) {
  addresses ??= window.trustedTypes?.createPolicy("guzheng-worker", { createScriptURL: () => address });
  return new Worker(addresses ? addresses.createScriptURL("") : address, { type: "module" });
}

export function sha256Of(file, address, onShare) {
  return new Promise((resolve, reject) => {
    const hasher = worker(address);
    hasher.addEventListener("message", ({ data }) => {
      if (data.share !== undefined) { onShare(data.share); return; }
      hasher.terminate();
      if (data.sha256) resolve(data.sha256); else reject(new Error(data.failed));
    });
    hasher.addEventListener("error", () => { hasher.terminate(); reject(new Error("worker")); });
    hasher.postMessage(file);
  });
}
