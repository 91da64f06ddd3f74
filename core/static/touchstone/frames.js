// Pages of requesters in frames: how high they are, where they want to lead, and what became of an answer. A message
// is a hint and no more: whether an answer is in, the server says.
import { $, words } from "./answers.js";
import { Away, lost, post } from "./outbox.js";

const KINDS = ["height", "link", "done", "pending", "refused"];
const stageOf = (nonce) => [...document.querySelectorAll("iframe[data-frame]")].find((frame) => frame.dataset.frame === nonce)?.closest("form.stage");
export const frameIn = (form) => $("iframe[data-frame]", form);

// A height that the requester asked for; without one the page in the frame says its own.
export function sized(form) {
  const frame = frameIn(form);
  if (frame && +frame.dataset.height) frame.style.blockSize = `${+frame.dataset.height}px`;
}

let handedIn = () => {};
export function onFrames(handler) { handedIn = handler; }

addEventListener("message", ({ data, origin }) => {
  const form = typeof data?.frame === "string" && KINDS.includes(data.kind) && stageOf(data.frame);
  if (!form) return;
  const frame = frameIn(form), home = new URL(frame.src).origin;
  if (origin !== "null" && origin !== home) return;
  if (data.kind === "height" && !+frame.dataset.height && Number.isFinite(data.height)) frame.style.blockSize = `${Math.min(20000, Math.max(240, Math.ceil(data.height)))}px`;
  if (data.kind === "link") offer(form, data);
  if (["done", "pending", "refused"].includes(data.kind)) look(form);
});

// A page in a frame opens nothing: its links are shown here, with the address to be read.
function offer(form, { href, words: text }) {
  let address;
  try { address = new URL(href); } catch { return; }
  if (!/^https?:$/.exec(address.protocol)) return;
  const box = $("[data-frame-link]", form), link = $("a", box);
  $("[data-frame-words]", box).textContent = words("asks");
  link.href = address.href;
  link.textContent = address.href === text ? address.href : `${String(text ?? "").slice(0, 200)} (${address.href})`;
  box.hidden = false;
  link.focus();
}

async function look(form) {
  const found = await ask(form).catch((error) => { lost(error); return null; });
  if (!found || !form.isConnected) return;
  if (found.state === "done") return handedIn(form);
  const box = $("[data-frame-waits]", form);
  box.hidden = found.state !== "waiting";
  if (box.hidden) return;
  $("[data-frame-words]", box).textContent = words("posted");
  $("dl", box).replaceChildren(...found.fields.flatMap(([name, value]) => [Object.assign(document.createElement("dt"), { textContent: name }), Object.assign(document.createElement("dd"), { textContent: value })]));
}
async function ask(form) {
  const response = await fetch(form.dataset.frameState, { headers: { Accept: "application/json" } }).catch(() => { throw new Away("offline"); });
  if (response.redirected || response.status === 401) throw new Away("signed_out");
  return response.ok ? response.json() : null;
}

document.addEventListener("click", async (event) => {
  const form = event.target.closest("[data-frame-confirm]")?.closest("form.stage");
  if (!form) return;
  const found = await post(`${form.dataset.frameState}confirm/`).catch((error) => { lost(error); return null; });
  if (found?.ok) handedIn(form); else if (found) $("[data-frame-waits] b", form).textContent = found.detail || found.title;
});

// An answer that another host posted for the worker is told to nobody: look now and then, while the page is seen.
setInterval(() => { if (!document.hidden) document.querySelectorAll("iframe[data-outside]").forEach((frame) => look(frame.closest("form.stage"))); }, 4000);
