// What arranges and tells: alert, badge, card, floating and icon button, instructions, modal, tabs, toast.
import { CrowdElement, fresh, h, say } from "./base.js";

const SIGNS = { star: "★", search: "⌕", help: "?", "help-outline": "?", info: "i", "info-outline": "i", close: "×", clear: "×", check: "✓", done: "✓", add: "+", remove: "−", delete: "⌫", "report-problem": "⚠", warning: "⚠", error: "!", "error-outline": "!", favorite: "♥", "question-answer": "“”", menu: "☰", edit: "✎", create: "✎", refresh: "↻", undo: "↶", redo: "↷", "arrow-back": "←", "arrow-forward": "→", "thumb-up": "👍", "thumb-down": "👎", visibility: "◉", settings: "⚙", send: "➤", flag: "⚑" };
const iconOf = (name) => (/[/.:]/.exec(name ?? "") ? h("img", { src: name, alt: "", height: 20 }) : h("span", { "aria-hidden": "true" }, SIGNS[name] ?? "•"));

customElements.define("crowd-alert", class extends CrowdElement {
  draw(root) {
    const type = this.getAttribute("type") ?? "info";
    const color = { info: "#1c5fb0", success: "#1a7f37", error: "#b3261e", warning: "#9a6700" }[type] ?? "#1c5fb0";
    this.setAttribute("role", type === "error" || type === "warning" ? "alert" : "status");
    const box = h("div", { class: "row" }, h("div", { class: "grow" }, h("slot")), this.flag("dismissible") ? h("button", { type: "button", "aria-label": say("Close"), onclick: () => this.remove() }, "×") : null);
    box.style.borderInlineStart = `4px solid ${color}`;
    root.append(h("style", {}, ".row { padding: .6em .8em; background: var(--frame-raised, #fff); border-radius: 4px; flex-wrap: nowrap; } .grow { flex: 1; }"), box);
  }
});

customElements.define("crowd-badge", class extends CrowdElement {
  draw(root) {
    root.append(h("style", {}, ":host { display: inline; } b { display: inline-block; min-inline-size: 1.6em; padding: .1em .4em; border-radius: 1em; text-align: center; background: var(--frame-accent, #1c5fb0); color: #fff; font-size: .8em; }"),
      h("b", {}, this.getAttribute("icon") ? iconOf(this.getAttribute("icon")) : this.getAttribute("label") ?? ""), h("slot"));
    const target = document.getElementById(this.getAttribute("for") ?? "");
    if (target && !target.contains(this) && !this.childNodes.length) {
      target.style.position = "relative";
      this.style.cssText = "position: absolute; inset-block-start: -.6em; inset-inline-end: -.6em;";
      target.append(this);
    }
  }
});

customElements.define("crowd-card", class extends CrowdElement {
  draw(root) {
    const [heading, image] = [this.getAttribute("heading"), this.getAttribute("image")];
    root.append(h("style", {}, "section { border: 1px solid var(--frame-line, #8a8f98); border-radius: 8px; padding: 1em; background: var(--frame-raised, #fff); }"),
      h("section", {}, heading ? h("h2", {}, heading) : null, image ? h("img", { src: image, alt: heading ?? "" }) : null, h("slot")));
  }
});

class IconButton extends CrowdElement {
  static delegates = true;
  static observedAttributes = ["disabled"];
  draw(root) {
    const words = this.getAttribute("title") || this.getAttribute("label") || (this.getAttribute("icon") ?? "").replaceAll("-", " ") || say("Button");
    const sign = this.getAttribute("icon") ? iconOf(this.getAttribute("icon")) : [...(this.getAttribute("label") ?? "•")].length > 1 ? "…" : this.getAttribute("label") ?? "•";
    this.button = h("button", { type: "button", "aria-label": words, title: words }, sign);
    root.append(h("style", {}, `:host { display: inline-block; } button { border-radius: 50%; inline-size: 2.75em; block-size: 2.75em; padding: 0; } :host(crowd-fab) button { background: var(--frame-accent, #1c5fb0); color: #fff; box-shadow: 0 2px 6px #0004; }`), this.button, h("slot"));
    this.attributeChangedCallback();
  }
  attributeChangedCallback() { if (this.button) this.button.disabled = this.flag("disabled"); }
}
customElements.define("crowd-fab", class extends IconButton {});
customElements.define("crowd-icon-button", class extends IconButton {});
if (!customElements.get("iron-icon")) customElements.define("iron-icon", class extends CrowdElement { draw(root) { root.append(h("style", {}, ":host { display: inline; }"), iconOf(this.getAttribute("icon")), h("slot")); } });

class Modal extends CrowdElement {
  draw(root) {
    const words = this.getAttribute("link-text") || this.constructor.words;
    this.dialog = h("dialog", { "aria-label": words }, this.inside(), h("p", {}, h("button", { type: "button", onclick: () => this.close() }, say("Close"))));
    root.append(h("button", { type: "button", class: this.getAttribute("link-type") === "button" ? "" : "link", onclick: () => this.open() }, words), this.dialog);
  }
  inside() { return h("slot"); }
  open() { this.dialog.showModal(); this.dispatchEvent(new Event("open")); }
  close() { this.dialog.close(); }
}
customElements.define("crowd-modal", class extends Modal { static words = say("Click to open modal"); });

// A list of tabs by the pattern of the ARIA guide; `pages` are [words, element].
function tabbed(pages) {
  const tabs = pages.map(([words, page]) => {
    const id = fresh("tab");
    page.id ||= `${id}-page`;
    page.setAttribute("role", "tabpanel");
    page.setAttribute("aria-label", words);
    page.tabIndex = 0;
    return h("button", { type: "button", role: "tab", id, onclick: () => choose(tabs.indexOf(tabs.find((tab) => tab.id === id))) }, words);
  });
  const choose = (index, focus) => {
    tabs.forEach((tab, n) => {
      tab.setAttribute("aria-selected", String(n === index));
      tab.tabIndex = n === index ? 0 : -1;
      pages[n][1].hidden = n !== index;
    });
    if (focus) tabs[index].focus();
  };
  const list = h("div", { role: "tablist", class: "row", onkeydown: (event) => {
    const now = tabs.findIndex((tab) => tab.tabIndex === 0);
    const to = { ArrowRight: (now + 1) % tabs.length, ArrowLeft: (now + tabs.length - 1) % tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
    if (to !== undefined) { event.preventDefault(); choose(to, true); }
  } }, tabs);
  if (tabs.length) choose(0);
  return list;
}
const TABS = "[role=tab] { border-radius: 6px 6px 0 0; border-block-end: 3px solid transparent; } [role=tab][aria-selected=true] { border-block-end-color: var(--frame-accent, #1c5fb0); font-weight: 600; } ::slotted([hidden]), [hidden] { display: none !important; }";

customElements.define("crowd-tabs", class extends CrowdElement {
  draw(root) {
    const pages = [...this.children].filter((child) => child.localName === "crowd-tab");
    root.append(h("style", {}, TABS), tabbed(pages.map((page, n) => [page.getAttribute("header") ?? String(n + 1), page])), h("slot"));
  }
});
customElements.define("crowd-tab", class extends CrowdElement {});

customElements.define("crowd-instructions", class extends Modal {
  static words = say("Click for instructions");
  inside() {
    const parts = [["Summary", "short-summary"], ["Detailed Instructions", "detailed-instructions"], ["Examples", "positive-example,negative-example"]];
    const pages = parts.map(([words, names]) => {
      const inside = [...this.children].filter((child) => names.split(",").includes(child.localName));
      inside.forEach((child) => { child.slot = names.split(",")[0]; if (child.localName === "positive-example") child.dataset.good = ""; });
      return inside.length ? [say(words), h("div", {}, words === "Examples" ? this.examples(inside) : h("slot", { name: names.split(",")[0] }))] : null;
    }).filter(Boolean);
    return h("div", {}, h("style", {}, TABS), tabbed(pages), pages.map(([, page]) => page));
  }
  examples(inside) {
    return inside.map((child) => {
      child.slot = fresh("example");
      return h("section", {}, h("h3", {}, child.localName === "positive-example" ? say("Good") : say("Bad")), h("slot", { name: child.slot }));
    });
  }
});

customElements.define("crowd-toast", class extends CrowdElement {
  draw(root) {
    this.setAttribute("role", "status");
    this.box = h("div", {}, this.getAttribute("text") ?? "", h("slot"));
    root.append(h("style", {}, "div { position: fixed; inset-block-end: 1em; inset-inline-start: 1em; background: #222; color: #fff; padding: .6em 1em; border-radius: 6px; }"), this.box);
    this.show();
  }
  show() { this.hidden = false; clearTimeout(this.timer); const ms = +(this.getAttribute("duration") ?? 3000); if (ms > 0) this.timer = setTimeout(() => this.hide(), ms); }
  open() { this.show(); }
  hide() { this.hidden = true; }
});
