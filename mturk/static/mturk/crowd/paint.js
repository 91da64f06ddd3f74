// Every pixel its label: <crowd-semantic-segmentation> and <crowd-instance-segmentation>.
import { colorOf, h, say } from "./base.js";
import { Board } from "./board.js";

const rgb = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));

class Paint extends Board {
  pen = 12;
  points = null; // of the polygon being drawn
  tool = "brush";
  layers = []; // {label, color}; the mask holds their number + 1, 0 is unlabelled

  help() { return say("Arrow keys move the brush (Shift: one pixel), Space paints, + and - change its size. E erases. P draws a polygon: Space places its points, Enter fills it, Escape drops it."); }
  tools() {
    this.buttons = ["brush", "eraser", "polygon"].map((tool) => h("button", { type: "button", "aria-pressed": String(tool === this.tool), onclick: () => this.use(tool) }, { brush: say("Brush"), eraser: say("Eraser"), polygon: say("Polygon") }[tool]));
    this.width = h("input", { type: "range", min: 1, max: 80, value: this.pen, "aria-label": say("Size of the brush"), oninput: () => { this.pen = +this.width.value; this.show(); } });
    return [...this.buttons, this.width];
  }
  use(tool) {
    this.tool = tool;
    this.points = null;
    ["brush", "eraser", "polygon"].forEach((name, n) => this.buttons[n].setAttribute("aria-pressed", String(name === tool)));
    this.status.textContent = this.buttons.find((button) => button.getAttribute("aria-pressed") === "true").textContent;
    this.show();
  }
  begin(given) {
    const { width, height } = this.size;
    this.mask = new Uint8Array(width * height);
    this.canvas = h("canvas", { width, height, "aria-hidden": "true" });
    this.canvas.style.opacity = ".55";
    this.layer = h("svg:svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    this.stage.append(this.canvas, this.layer);
    this.stage.addEventListener("pointerdown", (event) => this.down(event));
    this.stage.addEventListener("pointermove", (event) => this.drag(event));
    this.stage.addEventListener("pointerup", () => { if (this.painting) this.done(); this.painting = false; });
    this.stage.addEventListener("dblclick", () => this.tool === "polygon" && this.fill());
    this.hadInitial = given !== null;
    if (given) this.readLayers(given);
    if (given?.src) this.readMask(given.src);
  }
  readMask(src) {
    const before = h("img", { alt: "" });
    before.crossOrigin = "anonymous";
    before.addEventListener("load", () => {
      const { width, height } = this.size, sketch = h("canvas", { width, height }).getContext("2d");
      sketch.imageSmoothingEnabled = false;
      sketch.drawImage(before, 0, 0, width, height);
      const { data } = sketch.getImageData(0, 0, width, height), known = this.layers.map((layer) => rgb(layer.color).join());
      for (let n = 0; n < this.mask.length; n += 1) if (data[n * 4 + 3] > 127) this.mask[n] = known.indexOf(`${data[n * 4]},${data[n * 4 + 1]},${data[n * 4 + 2]}`) + 1;
      this.show();
    });
    before.src = src;
  }

  // --- painting

  mark() { return this.tool === "eraser" ? 0 : this.current(); }
  dab([x, y]) {
    const mark = this.mark();
    if (mark === null) return;
    const { width, height } = this.size, r = this.pen / 2;
    for (let row = Math.max(0, Math.ceil(y - r)); row <= Math.min(height - 1, y + r); row += 1) {
      const reach = Math.sqrt(Math.max(0, r * r - (row - y) ** 2));
      const from = Math.max(0, Math.ceil(x - reach)), to = Math.min(width - 1, Math.floor(x + reach));
      if (to >= from) this.mask.fill(mark, row * width + from, row * width + to + 1);
    }
    this.nothing.checked = false;
  }
  stroke(from, to) {
    const far = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / Math.max(1, this.pen / 3)));
    for (let n = 0; n <= far; n += 1) this.dab([from[0] + ((to[0] - from[0]) * n) / far, from[1] + ((to[1] - from[1]) * n) / far]);
  }
  // Even-odd, row by row through the middle of each pixel.
  fill() {
    const corners = this.points;
    this.points = null;
    const mark = this.current();
    if (!corners || corners.length < 3 || mark === null) { this.status.textContent = say("At least %s points.", 3); return this.show(); }
    this.keep();
    const { width, height } = this.size;
    for (let row = 0; row < height; row += 1) {
      const y = row + 0.5, cuts = [];
      corners.forEach(([ax, ay], n) => {
        const [bx, by] = corners[(n + 1) % corners.length];
        if (ay <= y !== by <= y) cuts.push(ax + ((y - ay) / (by - ay)) * (bx - ax));
      });
      cuts.sort((one, two) => one - two);
      for (let n = 0; n + 1 < cuts.length; n += 2) {
        const from = Math.max(0, Math.ceil(cuts[n] - 0.5)), to = Math.min(width, Math.ceil(cuts[n + 1] - 0.5));
        if (to > from) this.mask.fill(mark, row * width + from, row * width + to);
      }
    }
    this.nothing.checked = false;
    this.show();
    this.done(say("%s marked.", this.layers[mark - 1].label));
  }
  down(event) {
    if (event.button || !this.size) return;
    this.stage.focus();
    this.cross = this.at(event);
    if (this.tool === "polygon") { (this.points ??= []).push(this.cross); return this.show(); }
    if (this.mark() === null) { this.status.textContent = say("Choose a label first."); return; }
    this.stage.setPointerCapture(event.pointerId);
    this.keep();
    this.painting = true;
    this.dab(this.cross);
    this.show();
  }
  drag(event) {
    if (!this.size) return;
    const point = this.at(event);
    if (this.painting) this.stroke(this.cross, point);
    if (this.painting || this.points) { this.cross = point; this.show(); }
  }
  act(event) {
    const way = this.moved(event);
    if (way) { this.cross = this.within([this.cross[0] + way[0], this.cross[1] + way[1]]); this.status.textContent = `${this.cross[0]}, ${this.cross[1]}`; return this.show(); }
    const acts = {
      " ": () => (this.tool === "polygon" ? ((this.points ??= []).push(this.cross), this.show()) : this.touch()),
      Enter: () => (this.points ? this.fill() : this.touch()),
      Escape: () => { this.points = null; this.show(); },
      "+": () => this.resize(4), "=": () => this.resize(4), "-": () => this.resize(-4),
      e: () => this.use(this.tool === "eraser" ? "brush" : "eraser"),
      b: () => this.use("brush"),
      p: () => this.use("polygon"),
    };
    if (acts[event.key]) { event.preventDefault(); acts[event.key](); }
  }
  touch() {
    if (this.mark() === null) { this.status.textContent = say("Choose a label first."); return; }
    this.keep();
    this.dab(this.cross);
    this.show();
    this.done(this.tool === "eraser" ? say("Erased.") : say("%s marked.", this.label));
  }
  resize(by) { this.pen = Math.min(80, Math.max(1, this.pen + by)); this.width.value = this.pen; this.show(); }

  // --- showing

  show() {
    if (!this.canvas) return;
    this.onto(this.canvas);
    const thick = Math.max(1, this.size.width / 400), drawn = [];
    if (this.points) drawn.push(h("svg:polyline", { points: [...this.points, this.cross].join(" "), fill: "none", stroke: "#000", "stroke-width": thick * 2 }), h("svg:polyline", { points: [...this.points, this.cross].join(" "), fill: "none", stroke: "#fff", "stroke-width": thick, "stroke-dasharray": thick * 3 }));
    for (const color of ["#fff", "#000"]) drawn.push(h("svg:circle", { cx: this.cross[0], cy: this.cross[1], r: this.tool === "polygon" ? thick * 3 : this.pen / 2, fill: "none", stroke: color, "stroke-width": color === "#fff" ? thick * 2 : thick }));
    this.layer.replaceChildren(...drawn);
    const counts = new Map();
    for (const mark of this.mask) if (mark) counts.set(mark, (counts.get(mark) ?? 0) + 1);
    this.marks.replaceChildren(...[...counts].sort().map(([mark, pixels]) => {
      const swatch = h("i", { class: "swatch" });
      swatch.style.background = this.layers[mark - 1].color;
      return h("li", {}, swatch, `${this.layers[mark - 1].name ?? this.layers[mark - 1].label}, ${((100 * pixels) / this.mask.length).toFixed(1)} %`,
        h("button", { type: "button", "aria-label": say("Remove %s", this.layers[mark - 1].name ?? this.layers[mark - 1].label), onclick: () => { this.keep(); this.mask = this.mask.map((one) => (one === mark ? 0 : one)); this.show(); this.done(); this.stage.focus(); } }, "×"));
    }));
  }
  onto(canvas) {
    const brush = canvas.getContext("2d"), drawn = brush.createImageData(this.size.width, this.size.height), colors = this.layers.map((layer) => rgb(layer.color));
    for (let n = 0; n < this.mask.length; n += 1) if (this.mask[n]) drawn.data.set([...colors[this.mask[n] - 1], 255], n * 4);
    brush.putImageData(drawn, 0, 0);
  }

  // --- the answer

  copy() { return this.mask.slice(); }
  restore(mask) { this.mask = mask; this.points = null; }
  empty() { this.mask.fill(0); }
  isEmpty() { return !this.mask?.some(Boolean); }
  check() { return this.points ? say("A shape is not finished: Enter finishes it, Escape drops it.") : super.check(); }
  used() { const there = new Set(this.mask); return this.layers.filter((layer, n) => there.has(n + 1)); }
  get png() {
    const { width, height } = this.inputImageProperties;
    if (!width) return "";
    const canvas = h("canvas", { width, height });
    this.onto(canvas);
    return canvas.toDataURL("image/png").split(",")[1];
  }
  get _submittableValue() {
    if (!this.mask) return undefined;
    return { ...(this.hadInitial ? { initialValueModified: this.changed } : {}), inputImageProperties: this.inputImageProperties, ...this.named(), labeledImage: { pngImageData: this.png } };
  }
}

customElements.define("crowd-semantic-segmentation", class extends Paint {
  readLayers({ labelMappings = {} }) { this.layers = Object.entries(labelMappings).map(([label, { color }]) => ({ label, color })); }
  color(label) { return this.layers.find((layer) => layer.label === label)?.color ?? super.color(label); }
  current() {
    if (!this.label) return null;
    let n = this.layers.findIndex((layer) => layer.label === this.label);
    if (n < 0) n = this.layers.push({ label: this.label, color: this.color(this.label) }) - 1;
    return n + 1;
  }
  named() { return { labelMappings: Object.fromEntries(this.used().map(({ label, color }) => [label, { color }])) }; }
});

customElements.define("crowd-instance-segmentation", class extends Paint {
  instance = new Map(); // label -> number of the layer that is painted now
  tools() { return [...super.tools(), h("button", { type: "button", onclick: () => this.add() }, say("Add instance"))]; }
  readLayers({ instances = [] }) { instances.forEach(({ label, color }) => this.push(label, color)); }
  push(label, color) {
    const taken = new Set(this.layers.map((layer) => layer.color));
    let n = this.layers.length;
    while (!color || taken.has(color)) { color = colorOf(n); n += 1; }
    const number = this.layers.push({ label, color, name: `${label} ${this.layers.filter((layer) => layer.label === label).length + 1}` });
    this.instance.set(label, number);
    return number;
  }
  add() {
    if (!this.label || this.layers.length >= 255) return;
    this.push(this.label);
    this.status.textContent = this.layers.at(-1).name;
    this.stage.focus();
  }
  current() { return this.label ? this.instance.get(this.label) ?? this.push(this.label) : null; }
  named() { return { instances: this.used().map(({ color, label }) => ({ color, label })) }; }
});
