// What every crowd element leans on: words, loosely written JSON, a shadow tree, and a problem told beside it.

const table = (() => { try { return JSON.parse(document.getElementById("frame-words")?.textContent ?? "{}"); } catch { return {}; } })();
export const say = (text, ...values) => values.reduce((line, value) => line.replace("%s", value), table[text] ?? text);

export function h(tag, attributes = {}, ...children) {
  const element = tag.includes(":") ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4)) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// JSON as templates write it: single quotes, bare keys, commas at the end, comments. `fallback` for what is no such thing.
export function loose(text, fallback) {
  if (text === null || text === undefined || !text.trim()) return fallback;
  try { return JSON.parse(text); } catch { /* looser, then */ }
  let at = 0;
  const fail = () => { throw new SyntaxError(`at ${at}`); };
  const space = () => { at += /^(?:\s|\/\/[^\n]*|\/\*[^]*?\*\/)*/.exec(text.slice(at))[0].length; };
  const string = (quote) => {
    let read = "";
    for (at += 1; text[at] !== quote; at += 1) {
      if (at >= text.length) fail();
      if (text[at] !== "\\") { read += text[at]; continue; }
      at += 1;
      if (text[at] === "u") { read += String.fromCharCode(parseInt(text.slice(at + 1, at + 5), 16)); at += 4; } else read += { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f" }[text[at]] ?? text[at];
    }
    at += 1;
    return read;
  };
  const bare = () => {
    const found = /^[\w$.+-]+/.exec(text.slice(at))?.[0] ?? fail();
    at += found.length;
    return found;
  };
  const members = (end, read) => {
    for (at += 1, space(); text[at] !== end; space()) {
      if (text[at] === ",") { at += 1; continue; }
      if (at >= text.length) fail();
      read();
    }
    at += 1;
  };
  const value = () => {
    space();
    if (text[at] === "{") {
      const object = {};
      members("}", () => {
        const key = "'\"".includes(text[at]) ? string(text[at]) : bare();
        space();
        if (text[at] !== ":") fail();
        at += 1;
        object[key] = value();
      });
      return object;
    }
    if (text[at] === "[") {
      const list = [];
      members("]", () => list.push(value()));
      return list;
    }
    if ("'\"".includes(text[at] ?? " ")) return string(text[at]);
    const word = bare();
    if (["true", "false", "null"].includes(word)) return { true: true, false: false, null: null }[word];
    const number = Number(word);
    return Number.isNaN(number) ? word : number;
  };
  try {
    const read = value();
    space();
    return at === text.length ? read : fail();
  } catch { return fallback; }
}

export const COLORS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"];
const clamp = (number) => Math.min(255, Math.round(number));
// Colours beyond the ten: the same ones, shifted, so that no two are equal.
export const colorOf = (n) => (n < COLORS.length ? COLORS[n] : "#" + [1, 3, 5].map((i) => clamp((parseInt(COLORS[n % 10].slice(i, i + 2), 16) * 0.62 + 37 * (1 + (n / 10 | 0)) * i) % 256).toString(16).padStart(2, "0")).join(""));

const sheet = new CSSStyleSheet();
// A layer: what an element says of itself goes over it.
sheet.replaceSync(`@layer base {
:host { display: block; color: inherit; font: inherit; }
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; }
h2 { font-size: 1.15em; margin: 0 0 .6em; }
fieldset { border: 0; margin: 0; padding: 0; min-width: 0; }
legend { padding: 0; font-weight: 600; margin-bottom: .4em; }
button, input, textarea, select { font: inherit; color: inherit; }
button { background: var(--frame-raised, #fff); border: 1px solid var(--frame-line, #8a8f98); border-radius: 6px; padding: .35em .8em; min-height: 2.25em; cursor: pointer; }
button:disabled { opacity: .55; cursor: not-allowed; }
button.primary { background: var(--frame-accent, #1c5fb0); border-color: var(--frame-accent, #1c5fb0); color: #fff; }
button.link { background: none; border: 0; padding: 0; min-height: 0; text-decoration: underline; color: var(--frame-accent, #1c5fb0); }
button[aria-pressed=true], .choice:has(:checked) { outline: 2px solid var(--frame-accent, #1c5fb0); outline-offset: -1px; }
:focus-visible { outline: 3px solid var(--frame-accent, #1c5fb0); outline-offset: 2px; }
input[type=text], input[type=number], input:not([type]), .typed, textarea { width: 100%; padding: .45em .6em; border: 1px solid var(--frame-line, #8a8f98); border-radius: 6px; background: var(--frame-raised, #fff); }
.row { display: flex; flex-wrap: wrap; gap: .5em; align-items: center; }
.two { display: grid; grid-template-columns: minmax(12em, 1fr) minmax(0, 3fr); gap: 1.25em; align-items: start; }
@media (max-width: 44em) { .two { grid-template-columns: minmax(0, 1fr); } }
.choices { display: grid; gap: .4em; }
.choice { display: flex; gap: .6em; align-items: center; border: 1px solid var(--frame-line, #8a8f98); border-radius: 6px; padding: .5em .7em; cursor: pointer; background: var(--frame-raised, #fff); }
.choice kbd, .hint { color: var(--frame-muted, #555c66); font-size: .85em; }
.choice kbd { margin-inline-start: auto; }
.error { color: var(--frame-bad, #b3261e); margin: .35em 0 0; }
.swatch { inline-size: 1em; block-size: 1em; border-radius: 3px; display: inline-block; flex: none; }
.vh { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
dialog { border: 1px solid var(--frame-line, #8a8f98); border-radius: 10px; max-width: min(46em, 92vw); background: var(--frame-raised, #fff); color: inherit; }
img { max-width: 100%; }
ul.marks { list-style: none; padding: 0; margin: .5em 0 0; display: grid; gap: .3em; }
ul.marks li { display: flex; gap: .4em; align-items: center; }
}`);

export class CrowdElement extends HTMLElement {
  #drawn = false;
  connectedCallback() {
    if (this.#drawn) return;
    this.#drawn = true;
    this.draw(this.shade());
  }
  shade() {
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open", delegatesFocus: this.constructor.delegates ?? false });
    root.adoptedStyleSheets = [sheet];
    return root;
  }
  draw(root) { root.append(h("slot")); }
  flag(name) { return this.hasAttribute(name) && this.getAttribute(name) !== "false"; }
  get name() { return this.getAttribute("name") ?? ""; }
  set name(name) { this.setAttribute("name", name); }
  get disabled() { return this.flag("disabled"); }
  set disabled(on) { this.toggleAttribute("disabled", Boolean(on)); this.enable?.(!on); }
  get required() { return this.flag("required"); }
  set required(on) { this.toggleAttribute("required", Boolean(on)); }
  // What stands in the way of handing in, as a sentence; "" for nothing.
  check() { return ""; }
  // Tell it beside the element, and to those who do not see.
  problem(text) {
    let line = this.shadowRoot?.querySelector("p.error");
    if (!line && text) this.shadowRoot?.append((line = h("p", { class: "error", role: "alert", id: "error" })));
    if (line) { line.textContent = text; line.hidden = !text; }
    for (const control of this.shadowRoot?.querySelectorAll("input, textarea, [role=application], [role=textbox]") ?? []) {
      if (text) { control.setAttribute("aria-invalid", "true"); control.setAttribute("aria-errormessage", "error"); } else control.removeAttribute("aria-invalid");
    }
  }
  focusFirst() { (this.shadowRoot?.querySelector("input:not(:disabled), textarea, [tabindex='0'], button:not(:disabled)") ?? this).focus(); }
  told(detail) { this.problem(""); this.dispatchEvent(new Event("input", { bubbles: true, composed: true })); this.dispatchEvent(new Event("change", { bubbles: true, composed: true })); return detail; }
}

let count = 0;
export const fresh = (stem) => `${stem}-${(count += 1)}`;

// Instructions beside a widget: the short ones in view, the full ones in a dialog.
export function instructions(element) {
  const full = [...element.children].find((child) => child.localName === "full-instructions");
  const short = [...element.children].find((child) => child.localName === "short-instructions");
  if (!full && !short) return null;
  if (full) full.slot = "full";
  if (short) short.slot = "short";
  const dialog = full && h("dialog", { "aria-labelledby": "full-t" },
    h("h2", { id: "full-t" }, full.getAttribute("header") || say("Instructions")), h("slot", { name: "full" }),
    h("p", {}, h("button", { type: "button", onclick: (event) => event.target.closest("dialog").close() }, say("Close"))));
  return h("aside", { "aria-label": say("Instructions") }, h("slot", { name: "short" }),
    full ? h("p", {}, h("button", { type: "button", class: "link", onclick: () => dialog.showModal() }, say("Full instructions"))) : null, dialog);
}

export const beside = (aside, main) => (aside ? h("div", { class: "two" }, aside, h("div", {}, main)) : main);
