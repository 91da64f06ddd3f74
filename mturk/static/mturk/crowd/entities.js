// <crowd-entity-annotation>: labels on stretches of a text. Offsets count Unicode characters, the end is exclusive.
import { CrowdElement, beside, colorOf, fresh, h, instructions, loose, say } from "./base.js";

const STYLE = `
.text { border: 1px solid var(--frame-line, #8a8f98); border-radius: 6px; padding: 1em; line-height: 2.4; white-space: pre-wrap; overflow-wrap: anywhere; cursor: text; user-select: none; background: var(--frame-raised, #fff); margin-block: .75em; }
.text .chosen { background: #8fb8ff; color: #000; }
.text:focus .caret { box-shadow: -2px 0 currentColor; }
[data-short] { position: relative; }
[data-short]::before { content: attr(data-short); position: absolute; inset-block-start: -1.5em; inset-inline-start: 0; font-size: .68em; line-height: 1; white-space: nowrap; font-weight: 600; inset-block-start: -.75em; }
`;

customElements.define("crowd-entity-annotation", class extends CrowdElement {
  entities = [];
  past = [];
  caret = 0;
  anchor = null; // where a stretch that is being chosen began

  draw(root) {
    this.group = fresh("label");
    this.characters = [...(this.getAttribute("text") ?? "")];
    this.given = loose(this.getAttribute("labels"), []).map((one) => (typeof one === "string" ? { label: one } : one));
    this.palette = h("div", { class: "row", role: "radiogroup", "aria-label": say("Label") }, this.given.map((one, n) => {
      const swatch = h("i", { class: "swatch" });
      swatch.style.background = colorOf(n);
      return h("label", { class: "choice" }, h("input", { type: "radio", name: this.group, value: one.label, onchange: () => this.apply() }), swatch, h("span", {}, one.fullDisplayName ?? one.label), n < 9 ? h("kbd", {}, String(n + 1)) : null);
    }));
    this.status = h("output", { class: "hint", "aria-live": "polite" });
    this.board = h("div", { class: "text", tabindex: "0", role: "application", "aria-roledescription": say("text to mark"), "aria-label": this.getAttribute("header") ?? say("Text"), onkeydown: (event) => this.key(event) }, this.characters.map((character, n) => h("span", { "data-at": n }, character)), h("span", { "data-at": this.characters.length, class: "end" }, "\u200b"));
    this.board.addEventListener("pointerdown", (event) => this.down(event));
    this.board.addEventListener("pointermove", (event) => this.drag(event));
    this.board.addEventListener("pointerup", () => this.up());
    this.marks = h("ul", { class: "marks", "aria-label": say("What is marked") });
    this.nothing = h("input", { type: "checkbox", onchange: () => this.told() });
    const widget = beside(instructions(this), h("fieldset", {}, h("legend", {}, this.getAttribute("header") ?? say("Mark the text")), this.palette, this.board,
      h("p", { class: "hint" }, say("Arrow keys move, Shift marks, a number labels it. Backspace removes the label at the caret.")), this.status, this.marks,
      h("label", { class: "row" }, this.nothing, h("span", {}, say("There is nothing to mark.")))));
    root.append(h("style", {}, STYLE));
    if (this.closest("crowd-form")) root.append(widget, h("slot"));
    else { // it hands itself in
      const form = h("crowd-form");
      form.owner = this;
      widget.dataset.own = ""; // its parts are no fields of the form
      form.append(widget, h("slot"));
      root.append(form);
    }
    const known = new Set(this.given.map((one) => one.label));
    const before = loose(this.getAttribute("initial-value"), null);
    this.hadInitial = before !== null;
    this.entities = (before ?? []).filter((one) => known.has(one.label)).map(({ label, startOffset, endOffset }) => ({ label, startOffset, endOffset }));
    this.show();
  }
  get label() { return this.palette.querySelector("input:checked")?.value; }
  get value() { return this._submittableValue; }
  get stretch() { return this.anchor === null || this.anchor === this.caret ? null : [Math.min(this.anchor, this.caret), Math.max(this.anchor, this.caret)]; }

  // --- marking

  apply() {
    const stretch = this.stretch;
    if (!stretch || !this.label) return;
    let [startOffset, endOffset] = stretch;
    while (startOffset < endOffset && /\s/.exec(this.characters[startOffset])) startOffset += 1;
    while (endOffset > startOffset && /\s/.exec(this.characters[endOffset - 1])) endOffset -= 1;
    this.anchor = null;
    if (startOffset === endOffset) return this.show();
    const meets = this.entities.filter((one) => one.startOffset < endOffset && startOffset < one.endOffset);
    const covered = meets.filter((one) => startOffset <= one.startOffset && one.endOffset <= endOffset);
    if (!this.flag("allow-overlap") && covered.length < meets.length) {
      this.status.textContent = say("Part of that is marked already. Take all of it, or remove the label first.");
      return this.show();
    }
    this.keep();
    const kept = this.flag("allow-overlap") ? this.entities.filter((one) => !(one.label === this.label && one.startOffset === startOffset && one.endOffset === endOffset)) : this.entities.filter((one) => !covered.includes(one));
    this.entities = [...kept, { label: this.label, startOffset, endOffset }].sort((one, two) => one.startOffset - two.startOffset || one.endOffset - two.endOffset);
    this.nothing.checked = false;
    this.done(`${this.characters.slice(startOffset, endOffset).join("")}: ${this.label}`);
  }
  remove(entity) {
    if (!entity) return;
    this.keep();
    this.entities = this.entities.filter((one) => one !== entity);
    this.done(say("%s removed.", entity.label));
  }
  keep() { this.past.push(this.entities); }
  done(words) { this.changed = true; this.status.textContent = words; this.show(); this.told(); }

  // --- pointer and keys

  spot(event) {
    const found = this.shadowRoot.elementFromPoint(event.clientX, event.clientY)?.closest?.("[data-at]");
    if (!found) return null;
    const box = found.getBoundingClientRect();
    return +found.dataset.at + (event.clientX > box.left + box.width / 2 && !found.classList.contains("end") ? 1 : 0);
  }
  down(event) {
    const spot = this.spot(event);
    if (spot === null || event.button) return;
    event.preventDefault();
    this.board.focus();
    this.dragging = true;
    this.anchor = this.caret = spot;
    this.show();
  }
  drag(event) {
    const spot = this.dragging ? this.spot(event) : null;
    if (spot !== null && spot !== this.caret) { this.caret = spot; this.show(); }
  }
  up() { this.dragging = false; if (this.stretch) this.apply(); }
  key(event) {
    if (event.altKey) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      if (this.past.length) { this.entities = this.past.pop(); this.show(); this.told(); }
      return;
    }
    const to = this.target(event);
    if (to !== null) {
      event.preventDefault();
      this.anchor = event.shiftKey ? this.anchor ?? this.caret : null;
      this.caret = Math.min(this.characters.length, Math.max(0, to));
      const stretch = this.stretch;
      this.status.textContent = stretch ? this.characters.slice(...stretch).join("") : this.characters[this.caret] ?? "";
      return this.show();
    }
    if (event.key === "Escape") { this.anchor = null; this.show(); }
    if (/^[1-9]$/.exec(event.key)) {
      const box = this.palette.querySelectorAll("input")[+event.key - 1];
      if (box) { event.preventDefault(); box.checked = true; this.apply(); }
    }
    if (event.key === "Enter") { event.preventDefault(); this.apply(); }
    if (event.key === "Backspace" || event.key === "Delete") { event.preventDefault(); this.remove(this.entities.find((one) => one.startOffset <= this.caret && this.caret <= one.endOffset)); }
  }
  target(event) {
    const word = event.ctrlKey || event.metaKey;
    const isGap = (n) => /\s/.exec(this.characters[n] ?? " ");
    let at = this.caret;
    if (event.key === "ArrowRight") { at += 1; while (word && at < this.characters.length && !(isGap(at) && !isGap(at - 1))) at += 1; return at; }
    if (event.key === "ArrowLeft") { at -= 1; while (word && at > 0 && !(isGap(at - 1) && !isGap(at))) at -= 1; return at; }
    if (event.key === "Home") return word ? 0 : this.line(-1);
    if (event.key === "End") return word ? this.characters.length : this.line(1);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") return this.beside(event.key === "ArrowDown" ? 1 : -1);
    return null;
  }
  box(n) { return this.board.children[Math.min(n, this.characters.length)].getBoundingClientRect(); }
  line(way) { let at = this.caret; const top = this.box(at).top; while (at + way >= 0 && at + way <= this.characters.length && Math.abs(this.box(at + way).top - top) < 4) at += way; return at; }
  beside(way) {
    const from = this.box(this.caret);
    let best = way < 0 ? 0 : this.characters.length, least = Infinity;
    for (let n = this.caret; n >= 0 && n <= this.characters.length; n += way) {
      const box = this.box(n), down = (box.top - from.top) * way;
      if (down > 4 && down < from.height * 1.9 && Math.abs(box.left - from.left) < least) { least = Math.abs(box.left - from.left); best = n; }
      if (down > from.height * 2.5) break;
    }
    return best;
  }

  // --- showing, and the answer

  show() {
    const stretch = this.stretch, spans = this.board.children;
    for (const span of spans) { span.className = span === spans[this.characters.length] ? "end" : ""; span.removeAttribute("style"); span.removeAttribute("data-short"); }
    for (const one of this.entities) {
      const n = this.given.findIndex((label) => label.label === one.label);
      for (let at = one.startOffset; at < one.endOffset; at += 1) if (spans[at]) spans[at].style.cssText = `background: ${colorOf(n)}44; box-shadow: inset 0 -3px ${colorOf(n)};`;
      if (spans[one.startOffset]) spans[one.startOffset].dataset.short = this.given[n].shortDisplayName ?? one.label;
    }
    if (stretch) for (let at = stretch[0]; at < stretch[1]; at += 1) spans[at].classList.add("chosen");
    spans[this.caret]?.classList.add("caret");
    this.marks.replaceChildren(...this.entities.map((one) => {
      const n = this.given.findIndex((label) => label.label === one.label), swatch = h("i", { class: "swatch" });
      swatch.style.background = colorOf(n);
      const words = this.characters.slice(one.startOffset, one.endOffset).join("");
      return h("li", {}, swatch, h("span", {}, `${words}: ${this.given[n].fullDisplayName ?? one.label}`), h("button", { type: "button", "aria-label": say("Remove %s", `${words}: ${one.label}`), onclick: () => { this.remove(one); this.board.focus(); } }, "×"));
    }));
  }
  get _submittableValue() {
    return { ...(this.hadInitial ? { initialValueModified: Boolean(this.changed) } : {}), entities: this.entities.map(({ label, startOffset, endOffset }) => ({ endOffset, label, startOffset })) };
  }
  check() { return this.entities.length || this.nothing.checked ? "" : say("Mark what is asked for, or say that there is nothing to mark."); }
  reset() { this.keep(); this.entities = []; this.show(); }
});
