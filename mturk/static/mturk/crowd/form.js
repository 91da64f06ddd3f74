// <crowd-form>: checks what is inside and posts one field, taskAnswers, a JSON list with one object.
import { CrowdElement, h, say } from "./base.js";

const here = new URLSearchParams(location.search);
const assignment = here.get("assignmentId") ?? "";
export const isPreview = assignment === "ASSIGNMENT_ID_NOT_AVAILABLE";
const CROWD = /^crowd-/;

function everything(root) {
  const found = [];
  for (const element of root.querySelectorAll("*")) if (element.closest("[data-own]")) continue; else if (CROWD.exec(element.localName) || ["input", "select", "textarea"].includes(element.localName)) found.push(element);
  return found;
}
const isPlain = (value) => value && typeof value === "object" && !Array.isArray(value);

function valueOf(element) {
  if (CROWD.exec(element.localName)) return element._submittableValue;
  if (element.type === "radio" || element.type === "checkbox") return { [element.value]: element.checked };
  if (element.localName === "select" && element.multiple) return [...element.selectedOptions].map((option) => option.value);
  if (element.type === "file") return [...element.files].map((file) => file.name).join("|") || undefined;
  return element.value === "" ? undefined : element.value;
}

// `{name: value}` of all that is inside; boxes of the same name share one object.
export function collect(elements) {
  const answers = {};
  for (const element of elements) {
    const name = CROWD.exec(element.localName) ? element.name : element.name || element.getAttribute("name");
    if (!name || element.disabled || ["submit", "button", "reset", "image"].includes(element.type)) continue;
    const value = valueOf(element);
    if (value === undefined || value === null) continue;
    answers[name] = isPlain(value) && isPlain(answers[name]) ? { ...answers[name], ...value } : value;
  }
  return answers;
}

class CrowdForm extends HTMLElement {
  connectedCallback() {
    if (this.form) return;
    this.form = h("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); event.stopPropagation(); this.submit(); }, onreset: () => setTimeout(() => this.resetAll()) });
    this.form.append(...this.childNodes);
    this.append(this.form);
    this.note = h("p", { role: "alert", class: "frame-error", hidden: true });
    if (!this.form.querySelector("crowd-button[form-action=submit], button[type=submit], button:not([type]), input[type=submit]")) this.form.append(h("p", {}, h("crowd-button", { "form-action": "submit", variant: "primary" }, say("Submit"))));
    this.form.append(this.note);
  }
  get elements() { return [...(this.owner ? [this.owner] : []), ...everything(this)]; }
  get _submittableValue() { return undefined; }
  resetAll() { for (const element of this.elements) element.reset?.(); }
  reset() { this.form.reset(); }
  tell(text) { this.note.textContent = text; this.note.hidden = !text; }
  // The first that is wrong, told and focused; true when all may go.
  valid() {
    let first = null;
    for (const element of this.elements) {
      if (CROWD.exec(element.localName)) {
        const text = element.disabled ? "" : element.check?.() ?? "";
        element.problem?.(text);
        if (text) first ??= element;
      } else if (!element.closest("[hidden]") && !element.checkValidity()) first ??= element;
    }
    if (!first) { this.tell(""); return true; }
    this.tell(say("Something is missing or cannot be right: see above."));
    if (first.focusFirst) first.focusFirst(); else first.reportValidity();
    first.scrollIntoView({ block: "nearest" });
    return false;
  }
  submit() {
    if (isPreview) return this.tell(say("Accept this HIT before you hand it in."));
    if (this.sent || !this.valid()) return;
    if (!this.dispatchEvent(new SubmitEvent("submit", { cancelable: true, bubbles: true }))) return;
    this.sent = true;
    const base = (this.getAttribute("action") && !/mturk\.com/.exec(this.getAttribute("action")) ? this.getAttribute("action") : `${here.get("turkSubmitTo") ?? ""}/mturk/externalSubmit`);
    const post = h("form", { method: "post", action: base, hidden: true });
    for (const [name, value] of [["assignmentId", assignment], ["taskAnswers", JSON.stringify([collect(this.elements)])]]) {
      const field = h("input", { type: "hidden", name });
      field.value = value;
      post.append(field);
    }
    document.body.append(post);
    post.submit();
  }
}
customElements.define("crowd-form", CrowdForm);

class CrowdButton extends CrowdElement {
  static delegates = true;
  static observedAttributes = ["disabled", "loading"];
  draw(root) {
    const variant = this.getAttribute("variant") ?? "normal", href = this.getAttribute("href");
    const icon = this.getAttribute("icon-url") ? h("img", { src: this.getAttribute("icon-url"), alt: "", height: 16 }) : null;
    const words = [icon, h("slot")];
    if (this.getAttribute("icon-align") === "right") words.reverse();
    this.button = href
      ? h("a", { href, target: this.getAttribute("target"), rel: "noopener noreferrer" }, words)
      : h("button", { type: "button", class: variant === "primary" || this.getAttribute("form-action") === "submit" ? "primary" : variant === "link" ? "link" : "", onclick: () => this.act() }, words);
    if (!this.textContent.trim() && this.getAttribute("title")) this.button.setAttribute("aria-label", this.getAttribute("title"));
    root.append(h("style", {}, ":host { display: inline-block; }"), this.button);
    this.attributeChangedCallback();
  }
  attributeChangedCallback() {
    if (this.button?.localName !== "button") return;
    const busy = this.flag("loading");
    this.button.disabled = busy || this.flag("disabled") || (isPreview && this.getAttribute("form-action") === "submit");
    this.button.toggleAttribute("aria-busy", busy);
  }
  act() {
    const form = this.closest("crowd-form") ?? this.getRootNode().host?.closest?.("crowd-form");
    if (this.getAttribute("form-action") === "submit") form?.submit();
    if (this.getAttribute("form-action") === "reset") form?.reset();
  }
}
customElements.define("crowd-button", CrowdButton);
