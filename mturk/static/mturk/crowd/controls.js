// What one types, ticks or slides: input, text area, checkbox, toggle, radio buttons, slider.
import { CrowdElement, fresh, h, say } from "./base.js";

class Typed extends CrowdElement {
  static delegates = true;
  static observedAttributes = ["value", "disabled"];
  draw(root) {
    const id = fresh("typed"), label = this.getAttribute("label") ?? "";
    this.box = this.make(id);
    this.box.placeholder = this.getAttribute("placeholder") ?? "";
    if (!label) this.box.setAttribute("aria-label", this.getAttribute("aria-label") ?? this.getAttribute("placeholder") ?? this.name);
    if (this.hasAttribute("max-length")) this.box.maxLength = +this.getAttribute("max-length");
    this.box.disabled = this.flag("disabled");
    this.box.required = this.flag("required");
    if (this.box.type !== "file") this.box.value = this.getAttribute("value") ?? "";
    this.box.addEventListener("input", (event) => this.typed(event));
    this.box.addEventListener("change", () => { this.problem(this.flag("auto-validate") ? this.check() : ""); this.dispatchEvent(new Event("change", { bubbles: true })); });
    root.append(...[label ? h("label", { for: id }, label) : null, this.box, this.counter(), h("slot")].filter(Boolean));
    if (this.flag("auto-focus")) this.box.focus();
    this.count();
  }
  counter() { return null; }
  count() {}
  typed(event) {
    if (event?.inputType !== undefined) event.stopPropagation?.();
    const pattern = this.flag("auto-validate") && this.getAttribute("allowed-pattern");
    if (pattern) {
      try {
        const allowed = new RegExp(`^(?:${pattern})$`, "u");
        const kept = [...this.box.value].filter((character) => allowed.exec(character)).join("");
        if (kept !== this.box.value) this.box.value = kept;
      } catch { /* no expression: nothing is ignored */ }
    }
    this.count();
    this.problem("");
    this.dispatchEvent(new Event("input", { bubbles: true }));
  }
  attributeChangedCallback(name, was, now) {
    if (!this.box) return;
    if (name === "value") this.value = now;
    else this.box.disabled = this.flag("disabled");
  }
  get value() { return this.box ? this.box.value : this.getAttribute("value") ?? ""; }
  set value(value) { if (this.box) { this.box.value = value ?? ""; this.count(); } else this.setAttribute("value", value ?? ""); }
  get _submittableValue() { return this.value === "" ? undefined : this.box.type === "file" ? [...this.box.files].map((file) => file.name).join("|") : this.value; }
  reset() { this.value = this.getAttribute("value") ?? ""; }
  enable(on) { if (this.box) this.box.disabled = !on; }
  check() {
    const own = this.getAttribute("error-message");
    if (!this.value.trim()) return this.required ? own || say("Fill this in.") : "";
    const least = +(this.getAttribute("min-length") ?? 0);
    if ([...this.value].length < least) return own || say("At least %s characters.", least);
    if (!this.box.checkValidity()) return own || this.box.validationMessage;
    return "";
  }
}

customElements.define("crowd-input", class extends Typed {
  make(id) { return h("input", { id, type: this.getAttribute("type") || "text", class: "typed", autocomplete: "off" }); }
});

customElements.define("crowd-text-area", class extends Typed {
  make(id) {
    const rows = +(this.getAttribute("rows") ?? 3), most = +(this.getAttribute("max-rows") ?? 0);
    const box = h("textarea", { id, rows });
    box.style.fieldSizing = "content";
    box.style.minHeight = `${rows * 1.4 + 1}em`;
    if (most) box.style.maxHeight = `${most * 1.4 + 1}em`;
    return box;
  }
  counter() { return this.flag("char-counter") ? (this.shown = h("output", { class: "hint" })) : null; }
  count() { if (this.shown) this.shown.textContent = `${[...this.box.value].length}${this.hasAttribute("max-length") ? ` / ${this.getAttribute("max-length")}` : ""}`; }
});

class Tick extends CrowdElement {
  static delegates = true;
  static observedAttributes = ["checked", "disabled"];
  draw(root) {
    const id = fresh("tick");
    this.box = h("input", { type: "checkbox", id, role: this.role_, onchange: () => this.told() });
    this.box.checked = this.flag("checked");
    this.box.disabled = this.flag("disabled");
    if (!this.textContent.trim()) this.box.setAttribute("aria-label", this.getAttribute("aria-label") ?? this.name);
    root.append(h("style", {}, ":host { display: inline-block; } label { display: inline-flex; gap: .5em; align-items: center; min-height: 24px; cursor: pointer; } input { inline-size: 1.25em; block-size: 1.25em; }"), h("label", { for: id }, this.box, h("span", {}, h("slot"))));
  }
  attributeChangedCallback() { if (this.box) { this.box.checked = this.flag("checked"); this.box.disabled = this.flag("disabled"); } }
  get checked() { return this.box ? this.box.checked : this.flag("checked"); }
  set checked(on) { if (this.box) this.box.checked = Boolean(on); else this.toggleAttribute("checked", Boolean(on)); }
  get value() { return this.getAttribute("value") ?? "on"; }
  set value(value) { this.setAttribute("value", value); }
  get _submittableValue() { return { [this.value]: this.checked }; }
  reset() { this.checked = this.flag("checked"); }
  enable(on) { if (this.box) this.box.disabled = !on; }
  check() { return this.required && !this.checked ? say("Tick this to go on.") : this.flag("invalid") ? say("This cannot be right.") : ""; }
}
customElements.define("crowd-checkbox", class extends Tick {});
customElements.define("crowd-toggle-button", class extends Tick { role_ = "switch"; });

class Radio extends CrowdElement {
  static observedAttributes = ["checked", "disabled"];
  draw(root) {
    root.append(h("style", {}, `:host { display: inline-flex; gap: .5em; align-items: center; min-height: 24px; padding: .15em; cursor: pointer; margin-inline-end: 1em; }
      i { inline-size: 1.1em; block-size: 1.1em; border: 2px solid var(--frame-line, #8a8f98); border-radius: 50%; display: inline-grid; place-items: center; flex: none; }
      :host([aria-checked=true]) i::after { content: ""; inline-size: .6em; block-size: .6em; border-radius: 50%; background: var(--frame-accent, #1c5fb0); }
      :host([aria-disabled=true]) { opacity: .55; cursor: not-allowed; }`), h("i"), h("span", {}, h("slot")));
    this.setAttribute("role", "radio");
    this.addEventListener("click", () => this.pick());
    this.addEventListener("keydown", (event) => {
      if (event.key === " " || event.key === "Enter") { event.preventDefault(); this.pick(); }
    });
    this.attributeChangedCallback();
  }
  attributeChangedCallback() {
    this.setAttribute("aria-checked", String(this.checked));
    this.setAttribute("aria-disabled", String(this.flag("disabled")));
    const group = this.closest("crowd-radio-group");
    if (group?.tabs) group.tabs(); else this.tabIndex = 0;
  }
  pick() {
    if (this.disabled) return;
    for (const other of this.closest("crowd-radio-group")?.buttons ?? []) if (other !== this) other.checked = false;
    this.checked = true;
    this.focus();
    this.told();
  }
  get checked() { return this.flag("checked"); }
  set checked(on) { this.toggleAttribute("checked", Boolean(on)); }
  get value() { return this.getAttribute("value") ?? "on"; }
  get _submittableValue() { return { [this.value]: this.checked }; }
}
customElements.define("crowd-radio-button", Radio);

customElements.define("crowd-radio-group", class extends CrowdElement {
  draw(root) {
    root.append(h("slot"));
    this.setAttribute("role", "radiogroup");
    if (!this.hasAttribute("aria-label") && !this.hasAttribute("aria-labelledby")) this.setAttribute("aria-label", this.previousElementSibling?.textContent.trim().slice(0, 200) || say("Choose one"));
    this.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      const open = this.buttons.filter((button) => !button.disabled);
      if (!step || !open.length) return;
      event.preventDefault();
      open[(Math.max(0, open.indexOf(event.target.closest("crowd-radio-button"))) + step + open.length) % open.length].pick();
    });
    this.tabs();
  }
  get buttons() { return [...this.querySelectorAll("crowd-radio-button")]; }
  // One stop of the Tab key: the one that is picked, else the first.
  tabs() {
    const open = this.buttons.filter((button) => !button.disabled);
    const stop = open.find((button) => button.checked) ?? open[0];
    for (const button of this.buttons) button.tabIndex = button === stop ? 0 : -1;
  }
  get value() { return this.buttons.find((button) => button.checked)?.value; }
  check() { return this.required && this.value === undefined ? say("Choose one.") : ""; }
});

customElements.define("crowd-slider", class extends CrowdElement {
  static delegates = true;
  draw(root) {
    const id = fresh("slider"), [min, max, step] = ["min", "max", "step"].map((name) => this.getAttribute(name));
    const limits = { min: min ?? 0, max: max ?? 100, step: step ?? 1 };
    this.touched = this.hasAttribute("value");
    this.knob = h("input", { type: "range", id, ...limits, oninput: () => this.slid(this.knob), "aria-label": this.getAttribute("aria-label") ?? (this.parentElement?.previousElementSibling?.textContent.trim().slice(0, 200) || this.name) });
    this.knob.value = this.getAttribute("value") ?? limits.min;
    this.knob.disabled = this.flag("disabled");
    // A key that moves nothing, as at the end of the scale, is a choice of that end all the same.
    this.knob.addEventListener("keydown", (event) => { if (/^(Arrow|Home|End|Page| |Enter)/.exec(event.key)) this.slid(this.knob); });
    this.knob.addEventListener("pointerup", () => this.slid(this.knob));
    this.number = this.flag("editable") ? h("input", { type: "number", ...limits, "aria-label": this.name, oninput: () => { this.knob.value = this.number.value; this.slid(this.number); } }) : null;
    this.pin = this.flag("pin") || this.flag("editable") ? h("output", { for: id }) : null;
    root.append(h("style", {}, ".line { display: flex; gap: .75em; align-items: center; max-inline-size: 36em; } input[type=range] { flex: 1; min-block-size: 24px; accent-color: var(--frame-accent, #1c5fb0); } input[type=number] { inline-size: 6em; } output { min-inline-size: 2.5em; font-variant-numeric: tabular-nums; }"),
      h("div", { class: "line" }, h("span", { class: "hint" }, String(limits.min)), this.knob, h("span", { class: "hint" }, String(limits.max)), this.number, this.pin), h("slot"));
    this.show();
  }
  slid() { this.touched = true; this.show(); this.told(); }
  show() {
    if (this.pin) this.pin.textContent = this.touched ? this.knob.value : "–";
    if (this.number && this.number !== this.shadowRoot.activeElement) this.number.value = this.knob.value;
  }
  get value() { return Number(this.knob?.value ?? this.getAttribute("value") ?? 0); }
  set value(value) { if (this.knob) { this.knob.value = value; this.touched = true; this.show(); } else this.setAttribute("value", value); }
  get _submittableValue() { return this.value; }
  reset() { this.touched = this.hasAttribute("value"); this.knob.value = this.getAttribute("value") ?? this.knob.min; this.show(); }
  enable(on) { if (this.knob) this.knob.disabled = !on; }
  check() { return this.required && !this.touched ? say("Move the slider to your answer.") : ""; }
});
