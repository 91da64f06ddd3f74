// The work page: keys, speed and a lost connection. Without it the page is a plain form that does the same.
import { $, $$, words, fields, valueOf, look, collect, wrong, problem, focusOn, held, fill, settle, isTyping, pickByKey } from "./answers.js";
import { Away, post, handIn, withdraw, pump, wire, onWire, lost, idle } from "./outbox.js";
import { frame, zoomByKey } from "./picture.js";
import { frameIn, onFrames, sized } from "./frames.js";

const main = $("#main"), board = $("[data-sheet]"), size = +main.dataset.size;
let sheet = $$("form.stage", board); // what is on screen: one HIT, or a page of them
const ahead = []; // pages at hand
let fetching = null, last = null, target = null;

const say = (text) => { $("[data-say]").textContent = ""; setTimeout(() => ($("[data-say]").textContent = text), 50); };
const here = (event) => sheet.find((form) => form.contains(event?.target ?? document.activeElement)) ?? sheet.find((form) => fields(form).some((field) => !field.hidden && valueOf(field) === undefined)) ?? sheet[0];

// --- the next page, at hand before it is asked for

// Each place that this tab asks for has a name, so that a lost answer or a reload brings the same place again.
const tab = (sessionStorage.tab ??= [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
const nameOf = (offset) => `${tab}-${+(sessionStorage.shown ?? 0) + offset}`;
const shift = () => (sessionStorage.shown = +(sessionStorage.shown ?? 0) + size);

// The same names get the same places, however often they are asked for.
const askAhead = () => post(main.dataset.next, { keys: Array.from({ length: size }, (_, n) => nameOf(n)) });
function fetchAhead() {
  if (ahead.length || fetching) return fetching;
  fetching = askAhead()
    .then((found) => {
      const forms = (found.html || []).map(parse).filter((form) => !sheet.some((one) => one.dataset.id === form.dataset.id));
      if (forms.length) ahead.push(forms); else if (found.html?.length) shift();
      for (const picture of forms.flatMap((form) => $$("img", form))) new Image().src = picture.src;
      return found;
    })
    .catch((error) => { lost(error); return null; })
    .finally(() => { fetching = null; main.dataset.atHand = ahead.length; });
  return fetching;
}

function parse(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html; // allow: our own server's rendering of one HIT, escaped there
  return holder.content.querySelector("form");
}

// --- drafts: what is typed survives a closed tab, a dead battery and another device

const draftOf = (form) => `draft:${form.dataset.id}`;
const read = (key) => { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } };
const dirty = new Set();
let typedAt = 0;
let saving = null;

function keepDraft(form) {
  const kept = [Date.now(), held(form)];
  try { localStorage.setItem(draftOf(form), JSON.stringify(kept)); } catch { /* full: the server's copy has to do */ }
  dirty.add(form);
  saving ??= setTimeout(saveDrafts, 1500);
}
function saveDrafts() {
  clearTimeout(saving);
  saving = null;
  for (const form of dirty) if (sheet.includes(form)) post(form.dataset.draftTo, { fields: held(form) }).then(() => form.removeAttribute("data-draft"), lost);
  dirty.clear();
}
function bringBack(form) {
  const copies = [read(draftOf(form)), form.dataset.draft && JSON.parse(form.dataset.draft)].filter((one) => one?.[1]?.length);
  if (copies.length) fill(form, copies.sort((one, two) => two[0] - one[0])[0][1]);
}
function forgetDraft(form) {
  localStorage.removeItem(draftOf(form));
  dirty.delete(form);
}
for (const key of Object.keys(localStorage)) if (key.startsWith("draft:") && !(read(key)?.[0] > Date.now() - 14 * 864e5)) localStorage.removeItem(key);

// --- time at work, and time left

let active = 0, mark = Date.now();
function clock() {
  const now = Date.now(), passed = now - mark;
  mark = now;
  if (!document.hidden) active += Math.min(passed, 2000); // a closed lid is no work
  return passed;
}
const show2 = (n) => String(n).padStart(2, "0");

function started(form, left) {
  form.until = Date.now() + left * 1000;
  delete form.dataset.warned;
}
function tick() {
  const slept = clock() > 15000;
  const times = sheet.filter((form) => form.until && !form.dataset.done);
  const left = Math.max(0, Math.ceil((Math.min(...times.map((form) => form.until)) - Date.now()) / 1000));
  if (times.length && Number.isFinite(left)) {
    const [hours, minutes, rest] = [Math.floor(left / 3600), Math.floor((left % 3600) / 60), left % 60];
    $(".timer time").textContent = hours ? `${hours}:${show2(minutes)}:${show2(rest)}` : `${minutes}:${show2(rest)}`;
    $(".timer").classList.toggle("soon", left <= 60);
  }
  for (const form of times) {
    const seconds = (form.until - Date.now()) / 1000;
    if (seconds <= 0) timeOver(form);
    else if (seconds <= 60 && !form.dataset.warned && !form.dataset.changing) { form.dataset.warned = "1"; say(words("minute")); }
  }
  if (slept) wake();
}
function timeOver(form) {
  if (form.dataset.changing) { // taken back, and nothing else was sent: what was given stands
    toast(words("stands"), 6);
    forgetDraft(form);
    return drop(form);
  }
  if (form.dataset.over) return;
  form.dataset.over = "1";
  $("[data-over]", form).hidden = false;
  if (sheet.includes(form)) { keepDraft(form); say($("[data-over]", form).textContent.trim()); }
}

// Back from a closed lid or another window: what is still ours, and for how long?
function begin(form) {
  return post(form.dataset.begin).then((found) => {
    if (found.ok) {
      started(form, found.left);
      delete form.dataset.over;
      $("[data-over]", form).hidden = true;
    } else if (sheet.includes(form) && !form.dataset.changing && !form.dataset.done) {
      if (found.code === "deadline_passed") timeOver(form);
      else if (found.status === 409) { toast(words("elsewhere"), 6); forgetDraft(form); drop(form); }
    }
    tick();
  }, lost);
}
function wake() {
  pump();
  sheet.filter((form) => !form.dataset.changing).forEach(begin);
  renew();
}
function renew() {
  for (const form of ahead.flat().filter((one) => !one.until)) {
    post(form.dataset.renew).then((found) => { if (!found.ok) letGo(form.dataset.id); }, lost);
  }
}
function letGo(id) {
  const index = ahead.findIndex((page) => page.some((form) => form.dataset.id === id));
  if (index < 0) return;
  if (ahead.splice(index, 1)[0].some((form) => !form.until)) shift();
  fetchAhead();
}

// --- two tabs: one hears what the other did

const tabs = "BroadcastChannel" in window ? new BroadcastChannel(`work:${document.body.dataset.worker}`) : null;
const tell = (what, form) => tabs?.postMessage({ what, id: form.dataset.id });
tabs?.addEventListener("message", ({ data }) => {
  letGo(data.id);
  const mine = sheet.find((form) => form.dataset.id === data.id);
  if (!mine || data.what === "shown") return;
  toast(words("elsewhere"), 6);
  drop(mine);
});
addEventListener("storage", (event) => {
  const form = event.newValue && sheet.find((one) => draftOf(one) === event.key);
  if (!form || Date.now() - typedAt < 2000) return; // who types here is not typed over
  fill(form, JSON.parse(event.newValue)[1]);
  look(form);
});

// --- what the person does

function toast(content, seconds) {
  const shown = typeof content === "string" ? Object.assign(document.createElement("div"), { className: "toast", textContent: content }) : content;
  $("[data-toasts]").append(shown);
  setTimeout(() => shown.remove(), seconds * 1000);
  return shown;
}

function submitAll() {
  if (!sheet.length || sheet.some(frameIn)) return; // a page in a frame hands itself in
  const first = sheet.map(wrong).find(Boolean);
  if (first) { focusOn(first); return say($("[data-error]", first).textContent); }
  hand(sheet.map((form) => [form, { answers: collect(form) }]));
}

// Hand in one HIT or the whole page, and go on at once: what is sent is kept in the browser until it is acknowledged.
function hand(given) {
  clock();
  const seconds = Math.round(active / Math.max(1, sheet.length)) / 1000;
  const forms = given.map(([form]) => form);
  last = { forms, at: Date.now(), sent: forms.map((form, n) => {
    const body = JSON.stringify({ ...given[n][1], seconds });
    const entry = { id: form.dataset.id, url: form.action, body, begin: form.dataset.begin, fields: held(form) };
    return handIn(entry);
  }) };
  const sent = last.sent;
  forms.forEach((form, n) => {
    form.dataset.done = "1";
    delete form.dataset.changing;
    forgetDraft(form);
    earn(form);
    sent[n].done.then((found) => found && told(form, found));
    tell("sent", form);
  });
  const now = last;
  if (+main.dataset.undo) {
    const line = $("[data-saved-line]");
    line.replaceChildren($("[data-saved]").content.cloneNode(true));
    $("b", line).textContent = said(forms);
    // The time to undo begins when the server has it; until then it can be taken back anyhow.
    Promise.all(sent.map((one) => one.done)).then(() => setTimeout(() => last === now && closeUndo(), +main.dataset.undo * 1000 - 300));
  }
  if (forms.length === sheet.length) goOn(); else forms.forEach((form) => drop(form));
}

// What was said, where it is one choice: so that a slip is seen.
function said(forms) {
  const picks = forms.length === 1 ? $$("fieldset[data-q] input:checked", forms[0]) : [];
  const label = picks.length === 1 && ($("span:not(.content)", picks[0].parentElement) ?? picks[0].parentElement).textContent.trim();
  return label && label.length < 40 ? `: ${label}` : "";
}
function closeUndo() {
  last = null;
  $("[data-saved-line]").replaceChildren();
}

function told(form, found) {
  if (found.ok) {
    if (found.is_late) toast(words(found.has_place ? "late-taken" : "late-kept"), 10);
    return;
  }
  if (found.status === 400) return back(form, found);
  toast(found.detail || found.title || words("elsewhere"), 10);
}

// The server found something that the page did not: bring it back with what is wrong.
function back(form, found) {
  delete form.dataset.done;
  if (!sheet.includes(form)) { if (sheet.length) ahead.unshift(sheet); show([form]); }
  let first = null;
  for (const field of fields(form)) {
    const text = found.errors?.[field.dataset.part ? `${field.dataset.q}[${field.dataset.part}]` : field.dataset.q];
    problem(field, text);
    if (text) first ??= field;
  }
  if (first) { focusOn(first); say($("[data-error]", first).textContent); } else toast(found.detail || found.title, 8);
  keepDraft(form);
}

function earn(form) {
  const sum = $("[data-today]");
  if (form.dataset.counted) return;
  form.dataset.counted = "1";
  sum.dataset.today = +sum.dataset.today + +form.dataset.reward;
  sum.dataset.answers = +sum.dataset.answers + 1;
  $(".money", sum).textContent = main.dataset.currency + (sum.dataset.today / 1e6).toFixed(2);
  $("[data-count]", sum).textContent = sum.dataset.answers;
}

// One HIT leaves the page; with the last one the next page comes.
function drop(form) {
  if (sheet.length > 1) {
    sheet = sheet.filter((one) => one !== form);
    form.remove();
    ready();
  } else if (sheet[0] === form) goOn();
}

async function goOn() {
  let next = ahead.shift();
  main.dataset.atHand = ahead.length;
  if (!next) {
    main.setAttribute("aria-busy", "true");
    const found = await fetchAhead();
    if (!ahead.length && found) { // places may have been waiting for the answers that are on their way
      await idle(4000);
      await fetchAhead();
    }
    main.removeAttribute("aria-busy");
    next = ahead.shift();
  }
  if (next) {
    show(next);
    fetchAhead();
  } else if (wire().why) rest();
  else location.assign(main.dataset.list + "?done=1");
}

// No connection and nothing at hand: wait here, where nothing is lost.
function rest() {
  sheet = [];
  board.replaceChildren($("[data-rest]").content.firstElementChild.cloneNode(true));
  $("[data-page-acts]").hidden = true;
  say(words("resting"));
}

function show(forms) {
  if (forms.some((form) => !form.until)) shift();
  sheet = forms;
  board.replaceChildren(...forms);
  active = 0;
  mark = Date.now();
  history.replaceState(null, "", forms[0].dataset.page);
  for (const form of forms) {
    tell("shown", form);
    if (!form.dataset.changing) { form.until ??= Date.now() + form.dataset.left * 1000; begin(form); } // until the server says
  }
  main.scrollTop = 0;
  scrollTo(0, 0);
  forms.forEach(bringBack);
  ready();
  say(`${words("next")} ${$("h1", forms[0])?.textContent ?? ""}`);
}

function ready() {
  $("[data-leave]").action = sheet[0].dataset.return;
  $("[data-page-acts]").hidden = sheet.length < 2;
  board.classList.toggle("several", sheet.length > 1);
  sheet.forEach((form) => { look(form); frame(form); sized(form); });
  tick();
  const first = fields(sheet[0]).find((field) => !field.hidden);
  const typed = first && $("textarea, input[type=text]", first);
  // Choices are answered by their keys from anywhere; only a field to type in takes the focus.
  if (typed) typed.focus(); else sheet[0].focus({ preventScroll: true });
}

async function giveBack(form, body, word = "skipped") {
  forgetDraft(form);
  const over = form.dataset.over;
  form.dataset.done = "1";
  tell("left", form);
  toast(words(word), 5);
  if (!over) handIn({ id: form.dataset.id, url: form.dataset.return, body: JSON.stringify(body) }).done.then((found) => found && !found.ok && found.status !== 409 && toast(found.detail || found.title, 8));
  drop(form);
}

// The answer is on screen again at once; the server then says for how long. What has not left yet is simply not sent.
function undo() {
  const undone = last;
  if (!undone) return;
  closeUndo();
  undone.forms.forEach((form, n) => {
    delete form.dataset.done;
    if (withdraw(undone.sent[n].key)) return;
    form.dataset.changing = "1";
    started(form, +main.dataset.undo);
    undone.sent[n].done.then(() => post(form.dataset.undo)).then((found) => {
      if (found.ok) return started(form, found.left);
      toast(words("final"), 5);
      drop(form);
    }).catch((error) => { lost(error); toast(words("no-undo"), 6); drop(form); });
  });
  for (const form of undone.forms) $("[data-changing]", form).hidden = !form.dataset.changing;
  if (sheet.length) ahead.unshift(sheet);
  show(undone.forms);
}

const acts = {
  skip: (form) => giveBack(form, { reason: "other" }),
  report: (form) => { target = form; $("#report").showModal(); },
  distress: (form) => giveBack(form, { reason: "distressing" }, "flagged"),
  cannot: (form) => { target = form; $("#cannot").showModal(); },
  undo,
  all: submitAll,
  retry: pump,
};

document.addEventListener("click", (event) => {
  const acting = event.target.closest("[data-act]");
  const act = acting && acts[acting.dataset.act];
  if (act) act(acting.closest("form.stage") ?? here());
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches(".stage")) { event.preventDefault(); submitAll(); }
  if (form.matches("[data-report]")) {
    const body = { reason: form.reason.value, note: form.note.value };
    if (event.submitter?.value === "stay") handIn({ id: target.dataset.id, url: target.dataset.reportTo, body: JSON.stringify(body) }).done.then(() => toast(words("reported"), 5));
    else giveBack(target, body, body.reason === "distressing" ? "flagged" : "reported-skipped");
    form.reset();
  }
  if (form.matches("[data-cannot]")) { hand([[target, { cannot_answer: form.why.value }]]); form.reset(); }
  if (form.matches("[data-read]")) {
    event.preventDefault();
    post(form.action).catch(lost);
    form.closest("[data-changes]").remove();
    ready();
  }
}, true);
document.addEventListener("input", (event) => {
  const form = sheet.find((one) => one.contains(event.target));
  if (!form) return;
  typedAt = Date.now();
  settle(event.target);
  look(form);
  keepDraft(form);
});

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") return submitAll();
  if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]") || isTyping(event.target)) return;
  if (!sheet.length) return;
  if (event.key === "Enter" && !event.target.closest("button, a, summary")) { event.preventDefault(); return submitAll(); }
  const form = here(event);
  if (event.target.closest("fieldset[data-q]") ? pickByKey(event, sheet) : pickByKey(event, [form, ...sheet.filter((one) => one !== form)])) return;
  if (zoomByKey(event.key, form)) return event.preventDefault();
  const key = `button[data-key="${CSS.escape(event.key.toLowerCase())}"]`;
  const button = $(key, form) ?? $$(key).pop();
  if (button) { event.preventDefault(); button.click(); }
});

// A page in a frame was handed in: the next one comes.
onFrames((form) => {
  if (!sheet.includes(form) || form.dataset.done) return;
  form.dataset.done = "1";
  earn(form);
  tell("sent", form);
  drop(form);
});

// --- the connection

onWire(() => {
  const { why, count } = wire(), line = $("[data-wire]");
  const was = !line.hidden;
  line.hidden = !why;
  if (why) {
    $("[data-wire-words]").textContent = words(why === "offline" || why === "server" ? "waiting" : "signed-out");
    $("[data-wire-count]").textContent = count ? `${count}` : "";
    $("[data-wire-count]").parentElement.hidden = !count;
    $("[data-wire-in]").hidden = why === "offline" || why === "server";
  } else if (was) {
    toast(words("back"), 4);
    if (!sheet.length) goOn(); else { sheet.filter((form) => !form.dataset.changing).forEach(begin); fetchAhead(); }
  }
}, (found, entry) => found.status !== 409 && toast(`${found.detail || found.title} ${entry.fields ? words("kept") : ""}`, 12), askAhead);

setInterval(tick, 1000);
setInterval(() => document.hidden || renew(), 45000);
document.addEventListener("visibilitychange", () => {
  clock();
  if (document.hidden) saveDrafts();
  else wake();
});
addEventListener("pagehide", saveDrafts);
addEventListener("pageshow", (event) => event.persisted && wake());
addEventListener("offline", () => lost(new Away("offline")));

for (const form of sheet) {
  const left = +form.dataset.left;
  started(form, left);
  bringBack(form);
  if (form.dataset.changing) $("[data-changing]", form).hidden = false;
  else if (!left) timeOver(form);
}
ready();
fetchAhead();
