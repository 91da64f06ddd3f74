// Zoom and pan, in place: the keys that answer keep working. Buttons, + and -, wheel, pinch, drag and arrows.
import { $, $$ } from "./answers.js";

const MOST = 8, STEP = 1.5;
let current = null; // the picture that + and - are for

export function frame(form) {
  for (const picture of $$(".content img", form)) {
    if (picture.closest(".choice, .pane, table")) continue;
    const made = $("[data-picture]").content.firstElementChild.cloneNode(true);
    const alone = picture.parentElement.matches("p") && picture.parentElement.children.length === 1 && !picture.parentElement.textContent.trim();
    (alone ? picture.parentElement : picture).replaceWith(made);
    const pane = $(".pane", made);
    pane.append(picture);
    picture.draggable = false;
    const label = picture.alt ? `${picture.alt}. ` : "";
    pane.setAttribute("aria-label", label + pane.getAttribute("aria-label"));
    watch(new Picture(pane, picture, made));
  }
}

class Picture {
  constructor(pane, picture, holder) {
    Object.assign(this, { pane, picture, holder, scale: 1, x: 0, y: 0, points: new Map() });
    holder.picture = this;
  }

  // Zoom by `factor`; what lies under (px, py) of the pane stays there.
  zoom(factor, px = this.pane.clientWidth / 2, py = this.pane.clientHeight / 2) {
    const scale = Math.min(MOST, Math.max(1, this.scale * factor));
    const grown = scale / this.scale;
    this.scale = scale;
    this.x = px - (px - this.x) * grown;
    this.y = py - (py - this.y) * grown;
    this.draw();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.draw();
  }

  draw() {
    const { clientWidth: wide, clientHeight: high } = this.pane;
    this.x = Math.min(0, Math.max(wide - wide * this.scale, this.x));
    this.y = Math.min(0, Math.max(high - high * this.scale, this.y));
    this.picture.style.transform = this.scale === 1 ? "" : `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    this.pane.classList.toggle("near", this.scale > 1);
    $("output", this.holder).textContent = this.scale === 1 ? "" : `${Math.round(this.scale * 100)}\u202f%`;
    $("[data-zoom=out]", this.holder).hidden = this.scale === 1;
    current = this;
  }
}

function watch(it) {
  const { pane, points } = it;
  const at = (event) => { const box = pane.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  let moved = 0;
  pane.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (!points.size) moved = 0;
    points.set(event.pointerId, at(event));
    if (it.scale > 1 || points.size > 1) pane.setPointerCapture(event.pointerId);
  });
  pane.addEventListener("pointermove", (event) => {
    const before = points.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    const [other] = [...points].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (other) it.zoom(apart(now, other) / Math.max(1, apart(before, other)), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    else if (it.scale > 1) it.pan(now[0] - before[0], now[1] - before[1]);
    points.set(event.pointerId, now);
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) pane.addEventListener(end, (event) => points.delete(event.pointerId));
  pane.addEventListener("click", (event) => {
    if (moved > 4) return;
    if (it.scale === 1) it.zoom(2.5, ...at(event)); else it.zoom(1 / MOST);
  });
  pane.addEventListener("wheel", (event) => {
    if (it.scale === 1 && !event.ctrlKey) return; // the wheel scrolls the page until somebody has zoomed
    event.preventDefault();
    it.zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, ...at(event));
  }, { passive: false });
  pane.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
    if (!move || it.scale === 1) return;
    event.preventDefault();
    it.pan(...move);
  });
}

const apart = ([a, b], [c, d]) => Math.hypot(a - c, b - d);

// The picture in hand: the last one touched while it is on the page, else the first.
const inHand = (root) => (current?.pane.isConnected ? current : $("[data-frame]", root)?.picture);

export function zoomByKey(key, root) {
  const it = { "+": STEP, "=": STEP, "-": 1 / STEP }[key] && inHand(root);
  if (!it) return false;
  it.zoom(key === "-" ? 1 / STEP : STEP);
  return true;
}

document.addEventListener("click", (event) => {
  const way = event.target.closest("[data-zoom]");
  if (way) way.closest("[data-frame]").picture.zoom(way.dataset.zoom === "in" ? STEP : 1 / STEP);
});
