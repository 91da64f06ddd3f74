// A picture to annotate, with what every kind of annotation shares: labels and their keys, a cross that the arrow keys
// move, undo, a list of what is there. Coordinates are pixels of the picture, 0,0 at its top left.
import { CrowdElement, beside, colorOf, fresh, h, instructions, loose, say } from "./base.js";

export class Board extends CrowdElement {
  static observedAttributes = ["labels", "src"];
  draw(root) {
    this.past = [];
    this.future = [];
    this.changed = false;
    this.cross = null;
    this.group = fresh("label");
    this.image = h("img", { alt: this.getAttribute("alt") ?? this.getAttribute("header") ?? "", draggable: "false" });
    this.image.crossOrigin = "anonymous";
    this.image.addEventListener("load", () => this.loaded());
    this.image.addEventListener("error", () => { this.status.textContent = say("The picture is not there yet."); });
    this.stage = h("div", { class: "stage", tabindex: "0", role: "application", "aria-label": `${this.getAttribute("header") ?? ""} ${this.help()}`.trim(), "aria-roledescription": say("picture to mark"), onkeydown: (event) => this.key(event) }, this.image);
    this.status = h("output", { class: "hint", "aria-live": "polite" });
    this.palette = h("div", { class: "row labels", role: "radiogroup", "aria-label": say("Label") });
    this.marks = h("ul", { class: "marks", "aria-label": say("What is marked") });
    this.nothing = h("input", { type: "checkbox", onchange: () => this.told() });
    const undo = h("button", { type: "button", onclick: () => this.step(this.past, this.future) }, say("Undo"));
    const redo = h("button", { type: "button", onclick: () => this.step(this.future, this.past) }, say("Redo"));
    root.append(h("style", {}, STYLE), beside(instructions(this), h("fieldset", {}, h("legend", {}, this.getAttribute("header") ?? say("Mark the picture")),
      this.palette, h("div", { class: "row tools" }, undo, redo, this.tools()), this.stage, h("p", { class: "hint" }, this.help()), this.status, this.marks,
      h("label", { class: "row none" }, this.nothing, h("span", {}, say("There is nothing to mark."))), h("slot"))));
    this.labels = loose(this.getAttribute("labels"), []);
    if (this.hasAttribute("src")) this.image.src = this.getAttribute("src");
  }
  tools() { return null; }
  attributeChangedCallback(name, was, now) {
    if (!this.image) return;
    if (name === "labels") this.labels = loose(now, []);
    else this.image.src = now;
  }

  // --- labels

  get labels() { return this.given ?? []; }
  set labels(given) {
    this.given = given.map((label) => (typeof label === "object" ? label.label : String(label)));
    this.colors = loose(this.getAttribute("label-colors"), []);
    if (!this.palette) return;
    const kept = this.label;
    this.palette.replaceChildren(...this.given.map((label, n) => {
      const swatch = h("i", { class: "swatch" });
      swatch.style.background = this.color(label);
      return h("label", { class: "choice" }, h("input", { type: "radio", name: this.group, value: label, onchange: () => this.labelled() }), swatch, h("span", {}, label), n < 9 ? h("kbd", {}, String(n + 1)) : null);
    }));
    if (this.given.length) this.pick(Math.max(0, this.given.indexOf(kept)));
    this.show?.();
  }
  get label() { return this.palette?.querySelector("input:checked")?.value; }
  color(label) { const n = Math.max(0, this.given.indexOf(label)); return this.colors[n] ?? colorOf(n); }
  pick(n) { const box = this.palette.querySelectorAll("input")[n]; if (box) { box.checked = true; this.labelled(); } }
  labelled() { if (this.label) this.status.textContent = say("Label: %s", this.label); }

  // --- the cross, and where things are

  loaded() {
    this.size = { width: this.image.naturalWidth || 300, height: this.image.naturalHeight || 150 };
    this.cross ??= [Math.round(this.size.width / 2), Math.round(this.size.height / 2)];
    this.status.textContent = "";
    if (!this.begun) { this.begun = true; this.begin(loose(this.getAttribute("initial-value"), null)); }
    this.show();
  }
  get inputImageProperties() { return { height: this.size?.height ?? 0, width: this.size?.width ?? 0 }; }
  at(event) {
    const box = this.image.getBoundingClientRect();
    return this.within([((event.clientX - box.left) / box.width) * this.size.width, ((event.clientY - box.top) / box.height) * this.size.height]);
  }
  within([x, y]) { return [Math.round(Math.min(Math.max(0, x), this.size.width)), Math.round(Math.min(Math.max(0, y), this.size.height))]; }
  // The arrow keys: a fiftieth of the picture, with Shift one pixel. True when it was one.
  moved(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way || !this.size) return null;
    event.preventDefault();
    const far = event.shiftKey ? 1 : Math.max(1, Math.round(Math.max(this.size.width, this.size.height) / 50));
    return way.map((one) => one * far);
  }
  key(event) {
    if (!this.size || event.altKey) return;
    if (event.ctrlKey || event.metaKey) {
      const key = event.key.toLowerCase();
      if (key === "z" || key === "y") { event.preventDefault(); if (key === "y" || event.shiftKey) this.step(this.future, this.past); else this.step(this.past, this.future); }
      return;
    }
    if (/^[1-9]$/.exec(event.key)) { event.preventDefault(); this.pick(+event.key - 1); }
    else this.act(event);
  }

  // --- what was done, and back

  keep() { this.past.push(this.copy()); this.future = []; }
  step(from, to) {
    if (!from.length) return;
    to.push(this.copy());
    this.restore(from.pop());
    this.show();
    this.done();
  }
  done(words) {
    this.changed = true;
    if (words) this.status.textContent = words;
    this.told();
  }
  get value() { return this._submittableValue; }
  check() {
    if (!this.size) return say("Wait until the picture is there.");
    return this.isEmpty() && !this.nothing.checked ? say("Mark what is asked for, or say that there is nothing to mark.") : "";
  }
  reset() { if (!this.size) return; this.keep(); this.empty(); this.show(); }
}

const STYLE = `
.stage { position: relative; display: inline-block; line-height: 0; max-inline-size: 100%; cursor: crosshair; touch-action: none; user-select: none; margin-block: .5em; }
.stage img { display: block; max-inline-size: 100%; min-inline-size: min(100%, 20em); block-size: auto; pointer-events: none; }
.stage svg, .stage canvas { position: absolute; inset: 0; inline-size: 100%; block-size: 100%; overflow: visible; }
.labels .choice { padding: .25em .6em; } .tools { margin-block: .5em; } .none { margin-block: .75em; }
.marks button { min-height: 1.9em; padding: .1em .6em; }
`;
