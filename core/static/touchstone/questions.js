// Questions in a plain form, such as a quiz: keys answer, what hangs on an answer comes and goes, a reload loses nothing.
import { $, $$, look, fill, held, settle, isTyping, pickByKey } from "./answers.js";

const forms = $$("form[data-questions]");
const kept = (form) => form.dataset.questions && `form:${form.dataset.questions}`;

for (const form of forms) {
  const draft = kept(form) && localStorage.getItem(kept(form));
  if (draft && !held(form).length) fill(form, JSON.parse(draft));
  look(form);
  form.addEventListener("input", (event) => {
    settle(event.target);
    look(form);
    if (kept(form)) localStorage.setItem(kept(form), JSON.stringify(held(form)));
  });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (event.key === "Enter" && !event.target.closest("button, a, summary")) {
    const go = $$("[data-go]").pop();
    if (go) { event.preventDefault(); go.click(); }
  } else pickByKey(event, forms);
});
