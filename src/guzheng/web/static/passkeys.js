// Passkeys: the browser's own dialogue, between two requests of ours. A form with data-passkey
// is shown where the browser can do it, and stays hidden where it cannot.

const headers = { "Content-Type": "application/json", Accept: "application/json" };

async function ask(address, body) {
  const answer = await fetch(address, { method: "POST", headers, body: JSON.stringify(body) });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.title);
  return told;
}

const octets = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function named(list) {
  return (list ?? []).map((one) => ({ ...one, id: octets(one.id) }));
}

// What the device says, in the spelling of WebAuthn level 3 (toJSON is missing in older browsers).
function spelled(credential) {
  const { response } = credential;
  const said = { clientDataJSON: text(response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) said[name] = text(response[name]);
  }
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response: said, clientExtensionResults: {} };
}

async function make({ publicKey }) {
  return navigator.credentials.create({
    publicKey: {
      ...publicKey,
      challenge: octets(publicKey.challenge),
      user: { ...publicKey.user, id: octets(publicKey.user.id) },
      excludeCredentials: named(publicKey.excludeCredentials),
    },
  });
}

async function sign({ publicKey }) {
  return navigator.credentials.get({
    publicKey: { ...publicKey, challenge: octets(publicKey.challenge), allowCredentials: named(publicKey.allowCredentials) },
  });
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential) continue;
  for (let around; (around = form.closest("[hidden]")); ) around.removeAttribute("hidden");
  const said = form.querySelector("[data-said]");
  const button = form.querySelector("button");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    said.textContent = form.dataset.waiting;
    try {
      const options = await ask(form.dataset.options, {});
      const credential = await (form.dataset.passkey === "make" ? make : sign)(options);
      const body = { ...Object.fromEntries(new FormData(form)), credential: spelled(credential) };
      const told = await ask(form.action, body);
      window.location.assign(told.next);
    } catch (error) {
      // The browser names what a person did in English of its own: say ours instead.
      const known = error.name === "InvalidStateError"; // one of excludeCredentials (WebAuthn §5.1.3)
      const failed = known ? form.dataset.known : form.dataset.failed;
      said.textContent = error instanceof DOMException ? failed : error.message;
      button.disabled = false;
    }
  });
}
