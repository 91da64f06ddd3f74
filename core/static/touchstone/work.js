// The work page: keys, speed and a lost connection. Without it the page is a plain form that does the same.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const main = $("#main");
const words = (name) => $("[data-words]").content.querySelector(`[data-${name}]`).textContent;
const token = $("[name=csrfmiddlewaretoken]").value;
const shelf = `answers:${main.dataset.worker}`; // what could not be sent yet, for this person on this browser
let stage = $("form.stage"), ahead = null, fetching = null, last = null, since = performance.now();

// --- talking to the server

async function post(url, body) {
  const headers = { "X-CSRFToken": token, Accept: "application/json" };
  if (body) headers["Content-Type"] = "application/json";
  const response = await fetch(url, { method: "POST", headers, body: body && JSON.stringify(body), keepalive: true });
  const isJson = (response.headers.get("Content-Type") || "").includes("json");
  if (response.redirected || (!isJson && response.status !== 204)) throw new TypeError("signed out or cut off");
  const found = response.status === 204 ? {} : await response.json();
  if (response.status >= 500) throw new TypeError(found.title || "");
  return { ok: response.ok, status: response.status, ...found };
}

function fetchAhead() {
  if (ahead || fetching) return fetching;
  fetching = post(main.dataset.next)
    .then((found) => {
      if (found.html) {
        const holder = document.createElement("template");
        holder.innerHTML = found.html; // allow: our own server's rendering of one HIT, escaped there
        ahead = holder.content.querySelector("form");
        for (const picture of $$("img", ahead)) new Image().src = picture.src;
      }
      return found;
    })
    .catch(() => null)
    .finally(() => (fetching = null));
  return fetching;
}

// --- answers

const fields = (form) => $$("fieldset[data-q]", form);

function valueOf(field) {
  const chosen = $$("input:checked", field);
  if (chosen.some((input) => "na" in input.dataset || (input.type === "radio" && input.value === "can't tell"))) return { na: true };
  const typed = $("textarea, select, input[type=text]", field);
  if (field.dataset.kind === "multilabel") {
    const labels = chosen.filter((input) => !("none" in input.dataset)).map((input) => input.value);
    return labels.length || chosen.length ? labels : undefined;
  }
  if (!typed) return chosen[0]?.value;
  return typed.value === "can't tell" ? { na: true } : typed.value.trim() || undefined;
}

function holds(when, given) {
  if (typeof when === "boolean") return when;
  if (when.all) return when.all.every((one) => holds(one, given));
  if (when.any) return when.any.some((one) => holds(one, given));
  const found = given[when.q];
  if (found === undefined) return false;
  if (when.op === "answered") return !Array.isArray(found) || found.length > 0;
  const plain = (value) => (value && value.na ? "\0na" : when.order ? String(value) : value);
  const same = (one, two) => String(plain(one)) === String(plain(two));
  const among = (list) => [found].flat().some((one) => list.some((two) => same(one, two)));
  if (when.op === "in") return among(when.value);
  if (when.op === "==") return among([when.value]);
  if (when.op === "!=") return !among([when.value]);
  if (found.na) return false;
  const rank = (value) => (when.order ? when.order.indexOf(value) : Number(value));
  const [left, right] = [rank(found), rank(when.value)];
  return { ">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right }[when.op];
}

const keyOf = (field) => field.dataset.q + (field.dataset.part ? `:${field.dataset.part}` : "");

function look(form = stage) {
  const given = {};
  for (const field of fields(form)) {
    const shown = !field.dataset.when || holds(JSON.parse(field.dataset.when), given);
    field.hidden = field.disabled = !shown;
    const value = shown ? valueOf(field) : undefined;
    if (value !== undefined) given[keyOf(field)] = value;
  }
  return given;
}

function collect(form) {
  const given = look(form), answers = {};
  for (const field of fields(form)) {
    const value = given[keyOf(field)];
    if (value === undefined) continue;
    if (field.dataset.part) (answers[field.dataset.q] ??= {})[field.dataset.part] = value;
    else answers[field.dataset.q] = value;
  }
  return answers;
}

const problem = (field, text) => {
  const line = $("[data-error]", field);
  line.hidden = !text;
  line.textContent = text || "";
};

// --- drafts: what is typed survives a closed tab

const isPick = (input) => ["radio", "checkbox"].includes(input.type);
const draftOf = (form) => `draft:${form.dataset.id}`;
function keepDraft() {
  const kept = $$("input, textarea, select", stage)
    .filter((input) => input.name.startsWith("q:") && (isPick(input) ? input.checked : input.value))
    .map((input) => [input.name, input.value]);
  localStorage.setItem(draftOf(stage), JSON.stringify(kept));
}
function bringBack() {
  for (const [name, value] of JSON.parse(localStorage.getItem(draftOf(stage)) || "[]")) {
    for (const input of $$(`[name="${CSS.escape(name)}"]`, stage)) {
      if (isPick(input)) input.checked ||= input.value === value;
      else input.value = value;
    }
  }
}

// --- sending, and sending again

const waiting = () => JSON.parse(localStorage.getItem(shelf) || "[]");
const keep = (list) => localStorage.setItem(shelf, JSON.stringify(list));

async function sendAll() {
  for (const [url, body, begin] of waiting()) {
    if (begin) await post(begin); // it may have been shown while there was no connection
    const found = await post(url, body); // throws while there is no connection: the rest stays in order
    keep(waiting().slice(1));
    if (!found.ok && found.status !== 409) toast(found.detail || found.title, 8);
  }
}

let offline = null;
async function send(url, body, begin) {
  try {
    if (waiting().length) throw new TypeError("first come, first sent");
    return await post(url, body);
  } catch {
    keep([...waiting(), [url, body, begin]]);
    offline ??= toast(words("waiting"), 1e6);
    return null;
  }
}

let retrying = false;
async function retry() {
  if (retrying || !waiting().length) return;
  retrying = true;
  try {
    await sendAll();
    offline?.remove();
    offline = null;
    toast(words("back"), 4);
  } catch { /* still away */ } finally { retrying = false; }
}

// --- what the person does

function toast(content, seconds) {
  const shown = typeof content === "string" ? Object.assign(document.createElement("div"), { className: "toast", textContent: content }) : content;
  $("[data-toasts]").append(shown);
  setTimeout(() => shown.remove(), seconds * 1000);
  return shown;
}

async function submit(body) {
  const form = stage, seconds = Math.round(performance.now() - since) / 1000;
  if (!body) {
    const answers = collect(form);
    let first = null;
    for (const field of fields(form)) {
      const missing = !field.disabled && "required" in field.dataset && valueOf(field) === undefined;
      problem(field, missing && words("missing"));
      if (missing) first ??= field;
    }
    if (first) return $("input, textarea, select", first).focus();
    body = { answers };
  }
  const button = $("[data-act=submit]", form);
  button.setAttribute("aria-busy", "true");
  const sent = send(form.action, { ...body, seconds }, form.dataset.begin);
  const next = ahead || (await fetchAhead(), ahead);
  const found = await Promise.race([sent, new Promise((done) => setTimeout(done, next ? 150 : 4000))]);
  button.removeAttribute("aria-busy");
  if (found && !found.ok && found.status === 400) return refuse(form, found);
  sent.then((late) => late && !late.ok && (late.status === 400 && stage !== form ? back(form, late) : late.code !== "answer_invalid" && toast(late.detail || late.title, 8)));
  localStorage.removeItem(draftOf(form));
  earn(form);
  last = { form, at: performance.now() };
  goOn(next);
  if (+main.dataset.undo) {
    const shown = $("[data-saved]").content.firstElementChild.cloneNode(true);
    $$("[data-saved-toast]").forEach((old) => old.remove());
    shown.dataset.savedToast = "";
    toast(shown, +main.dataset.undo);
  }
}

function refuse(form, found) {
  let told = false;
  for (const field of fields(form)) {
    const text = found.errors?.[field.dataset.part ? `${field.dataset.q}[${field.dataset.part}]` : field.dataset.q];
    problem(field, text);
    if (text && !told) { told = true; $("input, textarea, select", field).focus(); }
  }
  if (!told) toast(found.detail || found.title, 8);
}

function back(form, found) {
  ahead = stage;
  show(form);
  refuse(form, found);
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

function goOn(next) {
  if (!next) return location.assign(main.dataset.list + "?done=1");
  ahead = null;
  show(next);
  fetchAhead();
}

function show(form) {
  stage.replaceWith(form);
  stage = form;
  since = performance.now();
  history.replaceState(null, "", form.dataset.page);
  const leave = $("[data-leave]");
  leave.action = form.dataset.return;
  post(form.dataset.begin).then((found) => {
    if (found.ok) { form.dataset.deadline = found.deadline; tick(); }
    else if (stage === form) toast(words("late"), 8);
  }, () => {});
  ready();
}

function ready() {
  bringBack();
  look();
  tick();
  const first = fields(stage).find((field) => !field.hidden);
  const typed = first && $("textarea, input[type=text]", first);
  // Choices are answered by their keys from anywhere; only a field to type in takes the focus.
  if (typed) typed.focus(); else main.focus({ preventScroll: true });
}

async function giveBack(body, then) {
  const form = stage;
  localStorage.removeItem(draftOf(form));
  await send(form.dataset.return, body);
  if (!ahead) await fetchAhead();
  toast(words("skipped"), 4);
  goOn(then ? null : ahead);
}

async function undo() {
  if (!last || performance.now() - last.at > +main.dataset.undo * 1000) return toast(words("final"), 4);
  $$("[data-saved-toast]").forEach((old) => old.remove());
  ahead = stage;
  const form = last.form;
  last = null;
  show(form);
}

function zoom() {
  const picture = $(".content img", stage);
  if (!picture) return;
  const large = picture.cloneNode();
  $("[data-picture]").replaceChildren(large);
  $("#zoom").showModal();
}

const acts = {
  skip: () => giveBack({ reason: "other" }),
  report: () => $("#report").showModal(),
  cannot: () => $("#cannot").showModal(),
  undo,
};

document.addEventListener("click", (event) => {
  const act = event.target.closest("[data-act]")?.dataset.act;
  if (acts[act]) acts[act]();
  if (event.target.matches(".content img") && !event.target.closest(".choice")) zoom();
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches(".stage")) { event.preventDefault(); submit(); }
  if (form.matches("[data-report]")) giveBack({ reason: form.reason.value, note: form.note.value }).then(() => form.reset());
  if (form.matches("[data-cannot]")) { submit({ cannot_answer: form.why.value }); form.reset(); }
}, true);
document.addEventListener("input", (event) => {
  const input = event.target;
  if (!stage.contains(input)) return;
  const field = input.closest("fieldset");
  const alone = "none" in input.dataset || "na" in input.dataset; // excludes the others
  if (alone && input.checked) for (const other of $$("input", field)) if (other !== input && other.checked) other.checked = false;
  if (!alone) for (const other of $$("[data-none], [data-na]", field)) other.checked = false;
  problem(field, "");
  look();
  keepDraft();
});

// A key picks the answer of the question in hand: the one that has the focus, else the first without an answer.
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter") return stage.requestSubmit($("[data-act=submit]", stage));
  if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
  const typing = event.target.closest("textarea, select, input[type=text]");
  if (typing) return;
  const key = event.key.toLowerCase();
  if (key === "enter" && !event.target.closest("button, a, summary")) { event.preventDefault(); return stage.requestSubmit($("[data-act=submit]", stage)); }
  if (key === "+") return zoom();
  const open = fields(stage).filter((field) => !field.hidden);
  const here = event.target.closest?.("fieldset") || open.find((field) => valueOf(field) === undefined) || open[0];
  const pick = $(`[data-key="${CSS.escape(key)}"]`, here) || $$(`button[data-key="${CSS.escape(key)}"]`).pop();
  if (!pick) return;
  event.preventDefault();
  if (!pick.matches("input")) return pick.click();
  pick.focus({ preventScroll: true });
  pick.click();
  if (pick.type !== "radio") return;
  // One choice made: the keys now belong to the next question that has no answer.
  const next = fields(stage).slice(fields(stage).indexOf(here) + 1).find((field) => !field.hidden && valueOf(field) === undefined);
  $("input, textarea, select", next || document.createElement("i"))?.focus();
});

// --- the clock

function tick() {
  const left = Math.max(0, Math.round(stage.dataset.deadline - Date.now() / 1000));
  const [hours, minutes, rest] = [Math.floor(left / 3600), Math.floor((left % 3600) / 60), left % 60];
  const two = (n) => String(n).padStart(2, "0");
  $(".timer time").textContent = hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
setInterval(tick, 1000);
setInterval(() => {
  retry();
  if (ahead && !document.hidden) post(ahead.dataset.renew).then((found) => { if (!found.ok) { ahead = null; fetchAhead(); } }, () => {});
}, 45000);
setInterval(retry, 5000);
addEventListener("online", retry);

ready();
retry();
fetchAhead();
