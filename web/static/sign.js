// Signing in the browser. The key is made here, cannot be taken out of here, and never reaches the server.
// What is signed is the text that the page shows, byte for byte; what it says of the manifest is computed here anew.

const STORE = "keys";
const CURVE = { name: "ECDSA", namedCurve: "P-256" };
const SIGNING = { name: "ECDSA", hash: "SHA-256" };
const LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const UNSAFE = "This page came neither over https nor from this machine itself, so the browser gives it no keys and "
  + "nothing can be signed here. Whoever runs this server can serve it over https (patchline serve --certificate); "
  + "the command line signs in any case.";

// Bytes and texts

const bytes = (text) => new TextEncoder().encode(text);
const base64 = (data) => btoa(String.fromCharCode(...new Uint8Array(data)));
const hexadecimal = (data) => [...new Uint8Array(data)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const sha256 = async (data) => hexadecimal(await crypto.subtle.digest("SHA-256", data));

function publicPem(spki) {
  const lines = base64(spki).match(/.{1,64}/g);
  return ["-----BEGIN PUBLIC KEY-----", ...lines, "-----END PUBLIC KEY-----", ""].join("\n");
}

// The first 125 bits of a SHA-256 in Crockford's letters, in fives: as `patchline bundle show` prints it.
function fingerprint(digest) {
  const number = BigInt(`0x${digest}`) >> 131n;
  const letters = Array.from({ length: 25 }, (_, place) => LETTERS[Number((number >> BigInt(5 * (24 - place))) & 31n)]);
  return letters.join("").match(/.{5}/g).join("-");
}

// What a signature covers: DSSE's encoding of the type and the payload.
function covered(type, payload) {
  const head = bytes(`DSSEv1 ${bytes(type).length} ${type} ${payload.length} `);
  const data = new Uint8Array(head.length + payload.length);
  data.set(head);
  data.set(payload, head.length);
  return data;
}

// Keys of this browser

function database() {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("patchline", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: "keyid" });
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}

async function stored(mode, ask) {
  const opened = await database();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = opened.transaction(STORE, mode);
      const asked = ask(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(asked.result);
      transaction.onerror = () => reject(transaction.error);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    opened.close();
  }
}

async function keysOf(person) {
  const all = await stored("readonly", (store) => store.getAll());
  return new Map(all.filter((key) => key.person === person).map((key) => [key.keyid, key]));
}

async function makeKey(person) {
  const pair = await crypto.subtle.generateKey(CURVE, false, ["sign"]);
  const spki = await crypto.subtle.exportKey("spki", pair.publicKey);
  return { keyid: await sha256(spki), person, key: pair.privateKey, pem: publicPem(spki) };
}

async function signed(key, type, payload) {
  return base64(await crypto.subtle.sign(SIGNING, key, covered(type, payload)));
}

// The pages

function say(element, text, tone) {
  element.textContent = text;
  element.className = tone ? `notice ${tone}` : "quiet";
}

const usable = () => window.isSecureContext && window.crypto?.subtle && window.indexedDB;

function split(words) {
  return (words || "").split(" ").filter(Boolean);
}

// The queue and the list of keys: which of them lie in this browser.
function tellDevices(keys) {
  for (const row of document.querySelectorAll("[data-device-keys]")) {
    const there = split(row.dataset.deviceKeys).some((keyid) => keys.has(keyid));
    row.textContent = there ? row.dataset.here : row.dataset.elsewhere;
  }
}

async function tellStorage() {
  const place = document.getElementById("storage");
  if (!place) {
    return;
  }
  const kept = await navigator.storage?.persisted?.();
  say(place, kept
    ? "This browser has promised to keep its keys until you remove them."
    : "This browser has not promised to keep its keys: it may drop them when the disk is full, or after a private "
      + "window is closed. Then make a new one.", kept ? "good" : "warn");
}

function letEnrol(form, said) {
  const button = form.querySelector("button");
  button.disabled = false;
  say(said, "The key is made in this browser and cannot be taken out of it, not even by you.");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await navigator.storage?.persist?.();
      const made = await makeKey(form.dataset.person);
      // As RFC 8785 writes it: names in order, no spaces.
      const payload = JSON.stringify({ custody: "browser", format: 1, key: made.pem, person: made.person });
      form.elements.public.value = made.pem;
      form.elements.signature.value = await signed(made.key, form.dataset.type, bytes(payload));
      await stored("readwrite", (store) => store.put(made));
      form.submit();
    } catch (error) {
      button.disabled = false;
      say(said, `The browser could not make or keep a key: ${error.message}`, "bad");
    }
  });
}

// Check that the statement is about the manifest that this server hands out, and nothing else than it says.
async function checked(form) {
  const answer = await fetch(form.dataset.manifest, { credentials: "same-origin" });
  if (!answer.ok) {
    throw new Error("the manifest could not be loaded");
  }
  const digest = await sha256(await answer.arrayBuffer());
  const statement = JSON.parse(document.getElementById("statement").textContent);
  const told = [statement.subject.length, statement.subject[0].digest.sha256, statement.predicate.decision];
  if (told[0] !== 1 || told[1] !== digest || told[2] !== "approve" || form.elements.manifest.value !== digest) {
    throw new Error("the statement is not about the manifest that this server hands out");
  }
  return digest;
}

async function letSign(form, keys) {
  const said = document.getElementById("sign-said");
  const mine = split(form.dataset.keys).map((keyid) => keys.get(keyid)).filter(Boolean);
  if (!mine.length) {
    say(said, form.dataset.keys
      ? "This device cannot sign: the key that the policy lists lies in another browser of yours."
      : "This device cannot sign: the policy lists no key of a browser of yours.", "warn");
    return;
  }
  const digest = await checked(form);
  document.getElementById("computed").textContent = fingerprint(digest);
  say(said, "This device can sign. The fingerprint above was computed here from the manifest: compare it first.", "good");
  const button = form.querySelector("button");
  button.disabled = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const shown = bytes(document.getElementById("statement").textContent);
      form.elements.keyid.value = mine[0].keyid;
      form.elements.signature.value = await signed(mine[0].key, form.dataset.type, shown);
      form.submit();
    } catch (error) {
      button.disabled = false;
      say(said, `Nothing was signed: ${error.message}`, "bad");
    }
  });
}

async function begin() {
  const enrolling = document.getElementById("enrol");
  const signing = document.getElementById("sign");
  const said = document.getElementById(enrolling ? "enrol-said" : "sign-said") || document.getElementById("device-said");
  if (!usable()) {
    if (said) {
      say(said, UNSAFE, "warn");
    }
    return;
  }
  try {
    const keys = await keysOf(document.querySelector("[data-person]").dataset.person);
    tellDevices(keys);
    await tellStorage();
    if (enrolling) {
      letEnrol(enrolling, said);
    }
    if (signing) {
      await letSign(signing, keys);
    }
    const device = document.getElementById("device-said");
    if (device) {
      say(device, keys.size ? device.dataset.here : device.dataset.elsewhere);
    }
  } catch (error) {
    if (said) {
      say(said, `This device cannot sign: ${error.message}`, "bad");
    }
  }
}

begin();
