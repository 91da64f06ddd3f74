// What was handed in goes out from here: kept in the browser first, sent in order, sent again until it is acknowledged.
// The same bytes get the same receipt, so sending twice does no harm. Any page of a worker's sends what is left over.
const who = document.body.dataset.worker;
const prefix = `send:${who}:`;
const waiters = new Map();
let listener = () => {}, refusal = () => {}, probe = async () => {}, pumping = false, pause = 0, timer = null, away = "";

export class Away extends Error {
  constructor(why) { super(why); this.why = why; }
}
const token = () => document.querySelector("[name=csrfmiddlewaretoken]")?.value;

export async function post(url, body, options = {}) {
  const headers = { "X-CSRFToken": token(), Accept: "application/json", "Content-Type": "application/json" };
  const text = typeof body === "string" ? body : JSON.stringify(body ?? {});
  // A page that is left lets small requests finish; browsers refuse to do it for large ones.
  const keepalive = text.length < 50000;
  const response = await fetch(url, { method: "POST", headers, body: text, keepalive, signal: AbortSignal.timeout(20000), ...options })
    .catch(() => { throw new Away("offline"); });
  const isJson = (response.headers.get("Content-Type") || "").includes("json");
  if (response.redirected || response.status === 401) throw new Away("signed_out");
  if (response.status === 403 && !isJson) throw new Away("stale");
  if (response.status >= 500 || response.status === 429 || (!isJson && ![204, 404].includes(response.status))) throw new Away("server");
  const found = isJson ? await response.json().catch(() => { throw new Away("offline"); }) : {};
  return { ok: response.ok, status: response.status, ...found };
}

const keys = () => Object.keys(localStorage).filter((key) => key.startsWith(prefix)).sort();
export const waiting = () => keys().length;
let count = 0;

// Hand in: resolves with what the server says, or with null when another tab sent it.
export function handIn(entry) {
  const key = `${prefix}${Date.now().toString(36)}-${String(count++).padStart(4, "0")}-${entry.id}`;
  try { localStorage.setItem(key, JSON.stringify(entry)); } catch { return { key, done: post(entry.url, entry.body).catch(() => null) }; }
  const done = new Promise((resolve) => waiters.set(key, resolve));
  pump();
  return { key, done };
}

// Take back what has not left yet; false when it is gone already.
let inHand = null;
export function withdraw(key) {
  if (key === inHand || !localStorage.getItem(key)) return false;
  localStorage.removeItem(key);
  waiters.delete(key);
  listener();
  return true;
}

async function sendAll() {
  let sent = 0;
  for (const key of keys()) {
    const entry = JSON.parse(localStorage.getItem(key) || "null");
    if (!entry) continue;
    inHand = key;
    try {
      if (entry.begin) await post(entry.begin); // it may have been shown while there was no connection
      const found = await post(entry.url, entry.body);
      localStorage.removeItem(key);
      sent++;
      if (!found.ok && found.status === 400 && entry.fields) localStorage.setItem(`draft:${entry.id}`, JSON.stringify([Date.now(), entry.fields]));
      if (waiters.has(key)) waiters.get(key)(found); else if (!found.ok) refusal(found, entry);
      waiters.delete(key);
    } finally { inHand = null; }
  }
  // Where nothing waited, nothing has shown that we are back: something harmless has to get through first.
  if (away && !sent) await probe();
}

export async function pump() {
  if (pumping) return;
  pumping = true;
  clearTimeout(timer);
  let mine = true;
  try {
    if (navigator.locks) await navigator.locks.request(`send:${who}`, { ifAvailable: true }, (lock) => { mine = Boolean(lock); return lock && sendAll(); });
    else await sendAll();
    if (mine) { pause = 0; setAway(""); }
  } catch (error) {
    if (!(error instanceof Away)) throw error;
    setAway(error.why);
  } finally { pumping = false; }
  for (const key of [...waiters.keys()]) if (!localStorage.getItem(key)) { waiters.get(key)(null); waiters.delete(key); }
  if (!waiting() && !away) return;
  pause = mine && away ? Math.min(pause ? pause * 2 : 1000, 15000) : 300;
  timer = setTimeout(pump, pause);
}

function setAway(why) {
  away = why;
  listener();
}
// Why nothing goes out at the moment, and how many answers wait.
export const wire = () => ({ why: away, count: waiting() });
export function onWire(changed, refused, reach) {
  listener = changed;
  refusal = refused;
  probe = reach;
}
export function lost(error) {
  if (error instanceof Away) { setAway(error.why); clearTimeout(timer); timer = setTimeout(pump, 1000); }
}
// Everything is acknowledged, or the time to wait for it is over.
export async function idle(most) {
  const until = Date.now() + most;
  while (waiting() && !away && Date.now() < until) await new Promise((done) => setTimeout(done, 30));
}

addEventListener("online", pump);
addEventListener("pageshow", pump);
document.addEventListener("visibilitychange", () => document.hidden || pump());
