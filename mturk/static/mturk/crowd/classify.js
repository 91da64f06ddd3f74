// One or several categories for a text, a sound, a picture: <crowd-classifier>, <crowd-image-classifier> and their kin.
import { COLORS, CrowdElement, beside, colorOf, fresh, h, instructions, loose, say } from "./base.js";

class Classifier extends CrowdElement {
  static several = false;
  static observedAttributes = ["categories"];
  draw(root) {
    const group = fresh("category");
    this.list = h("div", { class: "choices" });
    this.group = group;
    root.append(h("style", {}, "::slotted(classification-target) { display: block; margin-block-end: 1em; }"), beside(instructions(this), h("fieldset", {}, h("legend", {}, this.getAttribute("header") ?? say("Choose")), this.target(), this.list, this.comment(), h("slot"))));
    this.categories = loose(this.getAttribute("categories"), []);
    this.keys = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || /^(input|textarea|select)$/.exec(event.composedPath()[0].localName) && !/radio|checkbox/.exec(event.composedPath()[0].type)) return;
      const box = this.boxes[+event.key - 1];
      if (box && document.querySelectorAll(this.localName).length === 1) { event.preventDefault(); box.focus(); box.click(); }
    };
    document.addEventListener("keydown", this.keys);
  }
  disconnectedCallback() { document.removeEventListener("keydown", this.keys); }
  target() {
    for (const child of this.children) if (child.localName === "classification-target") child.slot = "target";
    return h("slot", { name: "target" });
  }
  comment() { return null; }
  attributeChangedCallback() { if (this.list) this.categories = loose(this.getAttribute("categories"), []); }
  get categories() { return this.given ?? []; }
  set categories(given) {
    this.given = given.map(String);
    const none = this.constructor.several && loose(this.getAttribute("exclusion-category"), null);
    this.none = none && (none.value ?? none.text ?? String(none));
    const shown = [...this.given, ...(this.none ? [this.none] : [])];
    this.list.replaceChildren(...shown.map((category, n) => h("label", { class: "choice" },
      h("input", { type: this.constructor.several ? "checkbox" : "radio", name: this.group, value: category, onchange: (event) => this.picked(event.target) }),
      h("span", {}, category === this.none ? none.text ?? category : category), n < 9 ? h("kbd", {}, String(n + 1)) : null)));
    if (this.disabled) this.enable(false);
  }
  get boxes() { return [...this.list.querySelectorAll("input")]; }
  picked(box) {
    if (this.none) for (const other of this.boxes) if (other !== box && (box.value === this.none || other.value === this.none)) other.checked = other.checked && !box.checked;
    this.told();
  }
  get value() {
    const chosen = this.boxes.filter((box) => box.checked).map((box) => box.value);
    const said = this.remark?.value.trim() ? { workerComment: this.remark.value } : {};
    if (!chosen.length) return undefined;
    return this.constructor.several ? { labels: chosen, ...said } : { label: chosen[0], ...said };
  }
  get _submittableValue() { return this.value; }
  reset() { for (const box of this.boxes) box.checked = false; }
  enable(on) { for (const box of this.boxes) box.disabled = !on; }
  check() { return this.value ? "" : say("Choose an answer."); }
}
customElements.define("crowd-classifier", class extends Classifier {});
customElements.define("crowd-classifier-multi-select", class extends Classifier { static several = true; });

class ImageClassifier extends Classifier {
  target() {
    const alt = this.getAttribute("alt") ?? this.getAttribute("header") ?? "";
    const image = h("img", { src: this.getAttribute("src"), alt });
    const overlay = loose(this.getAttribute("overlay"), null);
    const box = h("div", {}, image);
    box.style.cssText = "position: relative; display: inline-block; margin-block-end: 1em;";
    if (overlay) image.addEventListener("load", () => this.over(box, image, overlay), { once: true });
    return box;
  }
  // What an earlier task drew, to be looked at.
  over(box, image, overlay) {
    const boxes = overlay.boundingBox, painted = overlay.semanticSegmentation ?? overlay.instanceSegmentation;
    if (boxes) {
      const labels = boxes.labels ?? [...new Set(boxes.value.map((one) => one.label))];
      const drawing = h("svg:svg", { viewBox: `0 0 ${image.naturalWidth} ${image.naturalHeight}`, role: "img", "aria-label": boxes.value.map((one) => one.label).join(", ") });
      drawing.style.cssText = "position: absolute; inset: 0; inline-size: 100%; block-size: 100%;";
      for (const one of boxes.value ?? []) {
        const color = colorOf(Math.max(0, labels.indexOf(one.label)));
        drawing.append(h("svg:rect", { x: one.left, y: one.top, width: one.width, height: one.height, fill: `${color}33`, stroke: color, "stroke-width": Math.max(2, image.naturalWidth / 300) }, h("svg:title", {}, one.label)));
      }
      box.append(drawing);
    }
    if (painted?.src) {
      const layer = h("img", { src: painted.src, alt: "" });
      layer.style.cssText = "position: absolute; inset: 0; inline-size: 100%; block-size: 100%; opacity: .55;";
      box.append(layer);
      const colors = painted.labelMappings ? Object.entries(painted.labelMappings).map(([label, one]) => [label, one.color]) : (painted.instances ?? []).map((one) => [one.label, one.color]);
      box.append(h("ul", { class: "marks" }, colors.map(([label, color]) => {
        const swatch = h("i", { class: "swatch" });
        swatch.style.background = color ?? COLORS[0];
        return h("li", {}, swatch, label);
      })));
    }
  }
  comment() {
    const asked = [...this.children].find((child) => child.localName === "worker-comment");
    if (!asked) return null;
    asked.slot = "comment";
    this.remark = h("textarea", { rows: 3, placeholder: asked.getAttribute("placeholder"), "aria-label": asked.getAttribute("header") ?? say("Add a comment.") });
    const dialog = h("dialog", { "aria-labelledby": "remark-t" }, h("h2", { id: "remark-t" }, asked.getAttribute("header") ?? say("Add a comment.")), h("slot", { name: "comment" }), this.remark, h("p", {}, h("button", { type: "button", onclick: () => dialog.close() }, say("Close"))));
    return h("p", {}, h("button", { type: "button", class: "link", onclick: () => dialog.showModal() }, asked.getAttribute("link-text") ?? say("Add a comment.")), dialog);
  }
}
customElements.define("crowd-image-classifier", class extends ImageClassifier {});
customElements.define("crowd-image-classifier-multi-select", class extends ImageClassifier { static several = true; });
