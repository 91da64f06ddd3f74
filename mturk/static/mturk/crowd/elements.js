// The elements that templates know as crowd-html-elements.js: our own, with the documented attributes and output.
import "./form.js";
import "./controls.js";
import "./layout.js";
import "./classify.js";
import "./picture.js";
import "./paint.js";
import "./entities.js";

const sheet = new CSSStyleSheet();
sheet.replaceSync("short-instructions, full-instructions, classification-target, crowd-form, crowd-tab { display: block; } crowd-form > form > :is(crowd-input, crowd-text-area, crowd-slider, crowd-classifier, crowd-classifier-multi-select, crowd-radio-group, crowd-card, crowd-alert, crowd-tabs) { margin-block: .75em; } .frame-error { color: var(--frame-bad, #b3261e); }");
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
queueMicrotask(() => document.dispatchEvent(new CustomEvent("all-crowd-elements-ready", { bubbles: true })));
