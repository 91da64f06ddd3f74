// Shapes on a picture: boxes, polygons, polylines, lines, keypoints. All are points with a label; a kind says how many.
import { h, say } from "./base.js";
import { Board } from "./board.js";

const near = (one, two, reach) => Math.hypot(one[0] - two[0], one[1] - two[1]) <= reach;
const turn = ([ax, ay], [bx, by], [cx, cy]) => Math.sign((bx - ax) * (cy - ay) - (by - ay) * (cx - ax));
const crosses = (a, b, c, d) => turn(a, b, c) * turn(a, b, d) < 0 && turn(c, d, a) * turn(c, d, b) < 0;
const spots = (points) => points.map(([x, y]) => ({ x, y }));

class Shapes extends Board {
  static least = 2; // points that make a shape
  static most = 2; // after so many it is done by itself
  shapes = [];
  open = null; // points of the shape being drawn
  chosen = -1;

  help() {
    const { most } = this.constructor;
    if (most === 1) return say("Arrow keys move the cross (Shift: one pixel), Space places a point. Click does too.");
    if (most === 2) return say("Arrow keys move the cross (Shift: one pixel), Space places the first and the second point. Dragging does too.");
    return say("Arrow keys move the cross (Shift: one pixel), Space places a point, Enter finishes the shape, Escape drops it. Click and double-click do too.");
  }
  begin(given) {
    this.hadInitial = given !== null;
    const list = Array.isArray(given) ? given : given?.[this.constructor.key] ?? [];
    this.shapes = list.filter((one) => this.labels.includes(one.label)).map((one) => ({ label: one.label, points: this.pointsOf(one) }));
    this.layer = h("svg:svg", { viewBox: `0 0 ${this.size.width} ${this.size.height}`, "aria-hidden": "true" });
    this.stage.append(this.layer);
    this.stage.addEventListener("pointerdown", (event) => this.down(event));
    this.stage.addEventListener("pointermove", (event) => this.drag(event));
    this.stage.addEventListener("pointerup", (event) => this.up(event));
    this.stage.addEventListener("dblclick", () => this.finish());
    this.stage.addEventListener("focus", () => this.show());
    this.stage.addEventListener("blur", () => this.show());
  }
  pointsOf(one) { return one.vertices.map(({ x, y }) => [x, y]); }
  told_(shape) { return { label: shape.label, vertices: spots(shape.points) }; }

  // --- drawing

  place(point) {
    if (!this.label) { this.status.textContent = say("Choose a label first."); return; }
    const { most } = this.constructor;
    if (!this.open) { this.open = { label: this.label, points: [] }; this.chosen = -1; }
    const { points } = this.open;
    if (this.constructor.closes && points.length >= 3 && near(point, points[0], this.reach())) return this.finish();
    if (points.length && near(point, points.at(-1), 0)) return;
    if (this.constructor.closes && this.wouldCross(point)) { this.status.textContent = say("A side would cross another one of this shape."); return; }
    points.push(point);
    this.status.textContent = say("Point at %s, %s.", point[0], point[1]);
    if (points.length >= most) this.finish();
    this.show();
  }
  wouldCross(point) {
    const { points } = this.open;
    return points.length > 2 && points.slice(0, -2).some((one, n) => crosses(points.at(-1), point, one, points[n + 1]));
  }
  finish() {
    if (!this.open) return;
    if (this.open.points.length < this.constructor.least) { this.status.textContent = say("At least %s points.", this.constructor.least); return; }
    const made = this.open;
    this.open = null;
    if (!this.fits(made)) { this.status.textContent = say("That was too small."); return this.show(); }
    this.keep();
    this.shapes = [...this.shapes, made];
    this.chosen = this.shapes.length - 1;
    this.nothing.checked = false;
    this.show();
    this.done(say("%s marked.", made.label));
  }
  fits() { return true; }
  reach() { const box = this.image.getBoundingClientRect(); return (10 * this.size.width) / (box.width || 1); }

  // --- pointer

  down(event) {
    if (event.button) return;
    this.stage.focus();
    const point = this.at(event);
    this.cross = point;
    const grip = !this.open && this.shapes.findLastIndex((shape) => this.corners(shape).some((corner) => near(corner, point, this.reach())));
    if (!this.open && grip >= 0) {
      const corners = this.corners(this.shapes[grip]);
      this.chosen = grip;
      this.held = { shape: grip, corner: corners.findIndex((corner) => near(corner, point, this.reach())), before: this.copy() };
      this.stage.setPointerCapture(event.pointerId);
      return this.show();
    }
    if (this.constructor.most === 2 && !this.open) { this.drawn = point; this.stage.setPointerCapture(event.pointerId); }
    this.place(point);
  }
  drag(event) {
    if (!this.size) return;
    const point = this.at(event);
    if (this.held) { this.shift(this.held.shape, this.held.corner, point); this.held.moved = true; } else if (this.open) this.cross = point;
    else return;
    this.show();
  }
  up(event) {
    if (this.held?.moved) { this.past.push(this.held.before); this.future = []; this.done(); }
    this.held = null;
    if (this.drawn && this.open && !near(this.at(event), this.drawn, this.reach() / 2)) this.place(this.at(event));
    this.drawn = null;
  }
  corners(shape) { return shape.points; }
  shift(n, corner, point) {
    const points = this.shapes[n].points.map((one, k) => (k === corner ? point : one));
    this.shapes = this.shapes.map((shape, k) => (k === n ? { ...shape, points } : shape));
  }

  // --- keys

  act(event) {
    const way = this.moved(event);
    if (way) {
      if (this.chosen >= 0 && !this.open && event.ctrlKey) return;
      this.cross = this.within([this.cross[0] + way[0], this.cross[1] + way[1]]);
      this.status.textContent = `${this.cross[0]}, ${this.cross[1]}`;
      return this.show();
    }
    const acts = {
      " ": () => this.place(this.cross),
      Enter: () => (this.open && this.constructor.most > 2 ? this.finish() : this.place(this.cross)),
      Escape: () => { this.open = null; this.chosen = -1; this.show(); },
      Backspace: () => (this.open ? (this.open.points.pop(), this.open.points.length || (this.open = null), this.show()) : this.remove(this.chosen)),
      Delete: () => this.remove(this.chosen),
    };
    if (acts[event.key]) { event.preventDefault(); acts[event.key](); }
  }
  remove(n) {
    if (n < 0 || !this.shapes[n]) return;
    this.keep();
    const [gone] = this.shapes.slice(n, n + 1);
    this.shapes = this.shapes.filter((shape, k) => k !== n);
    this.chosen = -1;
    this.show();
    this.done(say("%s removed.", gone.label));
  }
  // A shape in the list: arrows move it, Delete removes it.
  markKey(event, n) {
    const way = this.moved(event);
    if (way) {
      this.keep();
      const fits = this.shapes[n].points.every(([x, y]) => `${this.within([x + way[0], y + way[1]])}` === `${[Math.round(x + way[0]), Math.round(y + way[1])]}`);
      if (fits) this.shapes = this.shapes.map((shape, k) => (k === n ? { ...shape, points: shape.points.map(([x, y]) => [x + way[0], y + way[1]]) } : shape));
      this.show();
      this.marks.querySelectorAll("button.mark")[n]?.focus();
      this.done();
    }
    if (event.key === "Delete" || event.key === "Backspace") { event.preventDefault(); this.remove(n); this.stage.focus(); }
  }

  // --- showing

  show() {
    if (!this.layer) return;
    const thick = Math.max(1.5, this.size.width / 400), mark = (points, color, more) => this.outline(points, color, { "stroke-width": thick, ...more });
    const drawn = this.shapes.flatMap((shape, n) => [mark(shape.points, this.color(shape.label), n === this.chosen ? { "stroke-width": thick * 2 } : {}), ...this.corners(shape).map(([cx, cy]) => h("svg:circle", { cx, cy, r: thick * 2, fill: this.color(shape.label) }))]);
    const focused = this.shadowRoot.activeElement === this.stage;
    if (this.open) drawn.push(mark([...this.open.points, this.cross], this.color(this.open.label), { "stroke-dasharray": thick * 3 }), ...this.open.points.map(([cx, cy]) => h("svg:circle", { cx, cy, r: thick * 2, fill: this.color(this.open.label) })));
    if (focused || this.open) for (const color of ["#fff", "#000"]) drawn.push(h("svg:path", { d: `M${this.cross[0] - 8 * thick} ${this.cross[1]}h${16 * thick}M${this.cross[0]} ${this.cross[1] - 8 * thick}v${16 * thick}`, stroke: color, "stroke-width": color === "#fff" ? thick * 2 : thick, fill: "none" }));
    this.layer.replaceChildren(...drawn);
    this.marks.replaceChildren(...this.shapes.map((shape, n) => {
      const swatch = h("i", { class: "swatch" });
      swatch.style.background = this.color(shape.label);
      return h("li", {}, swatch, h("button", { type: "button", class: "mark", "aria-pressed": String(n === this.chosen), onclick: () => { this.chosen = n; this.show(); this.marks.querySelectorAll("button.mark")[n].focus(); }, onkeydown: (event) => this.markKey(event, n) }, `${n + 1}. ${shape.label}`),
        h("button", { type: "button", "aria-label": say("Remove %s", `${n + 1}. ${shape.label}`), onclick: () => { this.remove(n); this.stage.focus(); } }, "×"));
    }));
  }
  outline(points, color, more) { return h("svg:polyline", { points: points.join(" "), fill: "none", stroke: color, ...more }); }

  // --- the answer

  copy() { return this.shapes; }
  restore(shapes) { this.shapes = shapes; this.open = null; this.chosen = -1; }
  isEmpty() { return !this.shapes.length; }
  empty() { this.shapes = []; this.open = null; }
  check() { return this.open ? say("A shape is not finished: Enter finishes it, Escape drops it.") : super.check(); }
  get _submittableValue() {
    return { ...(this.hadInitial ? { initialValueModified: this.changed } : {}), [this.constructor.key]: this.shapes.map((shape) => this.told_(shape)), inputImageProperties: this.inputImageProperties };
  }
}

customElements.define("crowd-bounding-box", class extends Shapes {
  static key = "boundingBoxes";
  sides([[ax, ay], [bx, by]]) { return { left: Math.min(ax, bx), top: Math.min(ay, by), width: Math.abs(ax - bx), height: Math.abs(ay - by) }; }
  pointsOf({ left, top, width, height }) { return [[left, top], [left + width, top + height]]; }
  told_(shape) { const { left, top, width, height } = this.sides(shape.points); return { height, label: shape.label, left, top, width }; }
  fits(shape) { const { width, height } = this.sides(shape.points); return width > 0 && height > 0; }
  outline(points, color, more) {
    if (points.length < 2) return h("svg:g");
    const { left, top, width, height } = this.sides(points);
    return h("svg:rect", { x: left, y: top, width, height, fill: `${color}22`, stroke: color, ...more });
  }
});
customElements.define("crowd-polygon", class extends Shapes {
  static key = "polygons";
  static least = 3;
  static most = Infinity;
  static closes = true;
  outline(points, color, more) { return h("svg:polygon", { points: points.join(" "), fill: `${color}22`, stroke: color, ...more }); }
});
customElements.define("crowd-polyline", class extends Shapes {
  static key = "polylines";
  static most = Infinity;
});
customElements.define("crowd-line", class extends Shapes {
  static key = "lines";
});
customElements.define("crowd-keypoint", class extends Shapes {
  static key = "keypoints";
  static least = 1;
  static most = 1;
  pointsOf({ x, y }) { return [[x, y]]; }
  told_({ label, points: [[x, y]] }) { return { label, x, y }; }
});
