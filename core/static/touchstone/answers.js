// What a form of questions says: values, what is asked for at all, what is missing, and the keys that answer.
export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
export const words = (name) => $("[data-words]")?.content.querySelector(`[data-${name}]`)?.textContent ?? "";

export const fields = (form) => $$("fieldset[data-q]", form);
const keyOf = (field) => field.dataset.q + (field.dataset.part ? `:${field.dataset.part}` : "");

export function valueOf(field) {
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

// Show what is asked for by the answers so far; gives those answers.
export function look(form) {
  const given = {};
  for (const field of fields(form)) {
    const shown = !field.dataset.when || holds(JSON.parse(field.dataset.when), given);
    field.hidden = field.disabled = !shown;
    const value = shown ? valueOf(field) : undefined;
    if (value !== undefined) given[keyOf(field)] = value;
  }
  return given;
}

export function collect(form) {
  const given = look(form), answers = {};
  for (const field of fields(form)) {
    const value = given[keyOf(field)];
    if (value === undefined) continue;
    if (field.dataset.part) (answers[field.dataset.q] ??= {})[field.dataset.part] = value;
    else answers[field.dataset.q] = value;
  }
  return answers;
}

export function problem(field, text) {
  const line = $("[data-error]", field);
  line.hidden = !text;
  line.textContent = text || "";
  field.toggleAttribute("data-wrong", Boolean(text));
  for (const input of $$("input, textarea, select", field)) {
    if (text) input.setAttribute("aria-invalid", "true"); else input.removeAttribute("aria-invalid");
  }
}

// The first field that is missing or cannot be right, with its sentence beside it; null when all may go.
export function wrong(form) {
  let first = null;
  for (const field of fields(form)) {
    const value = field.disabled ? "hidden" : valueOf(field);
    const text = value === undefined ? "required" in field.dataset && words("missing") : unfit(field, value);
    problem(field, text);
    if (text) first ??= field;
  }
  return first;
}

function unfit(field, value) {
  const typed = field.dataset.kind === "number" && typeof value === "string" && $("input[type=text]", field);
  if (!typed) return "";
  const number = Number(value.replace(/^\u2212/, "-"));
  const { min, max } = typed.dataset;
  return Number.isNaN(number) || (min && number < min) || (max && number > max) ? words("number") : "";
}

export const focusOn = (field) => $("input, textarea, select", field)?.focus();

// --- what the fields hold, to keep and to bring back

const isPick = (input) => ["radio", "checkbox"].includes(input.type);
const asked = (form) => $$("input, textarea, select", form).filter((input) => input.name.includes("q:"));
export const held = (form) => asked(form).filter((input) => (isPick(input) ? input.checked : input.value)).map((input) => [input.name, input.value]);
export function fill(form, kept) {
  for (const input of asked(form)) {
    if (isPick(input)) input.checked = kept.some(([name, value]) => name === input.name && value === input.value);
    else input.value = kept.find(([name]) => name === input.name)?.[1] ?? "";
  }
}

// "None of these" and "cannot tell" exclude the others, and the others exclude them.
export function settle(input) {
  const field = input.closest("fieldset");
  if (!field) return;
  const alone = "none" in input.dataset || "na" in input.dataset;
  if (alone && input.checked) for (const other of $$("input", field)) if (other !== input && other.checked) other.checked = false;
  if (!alone) for (const other of $$("[data-none], [data-na]", field)) other.checked = false;
  if ($("[data-error]", field)) problem(field, "");
}

// --- keys

export const isTyping = (target) => target.closest?.("textarea, select, input[type=text], input[type=search]");

// A key picks the answer of the question in hand: the one that has the focus, else the first without an answer.
export function pickByKey(event, forms) {
  const open = forms.flatMap(fields).filter((field) => !field.hidden && !field.disabled);
  const here = event.target.closest?.("fieldset[data-q]") || open.find((field) => valueOf(field) === undefined) || open[0];
  const pick = here && $(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`, here);
  if (!pick) return false;
  event.preventDefault();
  pick.focus({ preventScroll: true });
  pick.click();
  if (pick.type !== "radio") return true;
  // One choice made: the keys now belong to the next question that has no answer.
  const all = forms.flatMap(fields);
  const next = all.slice(all.indexOf(here) + 1).find((field) => !field.hidden && !field.disabled && valueOf(field) === undefined);
  if (next) focusOn(next);
  return true;
}
