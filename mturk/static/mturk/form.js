// Checks a QuestionForm before it goes, beside each question; the server checks the same once more.
const words = JSON.parse(document.getElementById("frame-words").textContent);
const say = (text, value) => (words[text] ?? text).replace("%s", value);
const form = document.querySelector(".frame-form");

function wrongText(field, required) {
  const value = field.value, { minlength, least, most } = field.dataset;
  if (!value.trim()) return required || minlength ? say("Answer this question.") : "";
  if (minlength && value.length < +minlength) return say("At least %s characters.", minlength);
  if ("numeric" in field.dataset) {
    const number = Number(value);
    if (Number.isNaN(number)) return say("Write a number.");
    if (least !== undefined && number < +least) return say("At least %s.", least);
    if (most !== undefined && number > +most) return say("At most %s.", most);
  }
  for (let n = 1; field.dataset[`pattern${n}`] !== undefined; n += 1) {
    try {
      if (!new RegExp(field.dataset[`pattern${n}`], field.dataset[`flags${n}`] ?? "").exec(value)) return field.dataset[`told${n}`] || say("That does not have the form that is asked for.");
    } catch { /* no expression that this browser knows */ }
  }
  return "";
}
function wrong(box) {
  const required = "required" in box.dataset;
  const texts = [...box.querySelectorAll("input[type=text], textarea")], file = box.querySelector("input[type=file]");
  if (file) {
    if (!file.files.length) return required ? say("Choose a file.") : "";
    return file.files[0].size < +file.dataset.least || file.files[0].size > +file.dataset.most ? say("The file is too small or too large.") : "";
  }
  if (!box.dataset.most) return wrongText(texts[0], required);
  const other = texts[0], hasOther = Boolean(other?.value.trim());
  const count = box.querySelectorAll("input:checked").length + [...box.querySelectorAll("option:checked")].filter((one) => one.value).length + (hasOther ? 1 : 0);
  if (hasOther && wrongText(other, false)) return wrongText(other, false);
  if (!count) return required && +box.dataset.least ? say("Answer this question.") : "";
  if (count < +box.dataset.least) return say("Choose at least %s.", box.dataset.least);
  return count > +box.dataset.most ? say("Choose at most %s.", box.dataset.most) : "";
}
function tell(box, text) {
  const line = box.querySelector(".error");
  line.textContent = text;
  line.hidden = !text;
  for (const field of box.querySelectorAll("input, textarea, select")) if (text) field.setAttribute("aria-invalid", "true"); else field.removeAttribute("aria-invalid");
}
form.addEventListener("submit", (event) => {
  let first = null;
  for (const box of form.querySelectorAll("fieldset[data-q]")) {
    const text = wrong(box);
    tell(box, text);
    if (text) first ??= box;
  }
  if (!first) return;
  event.preventDefault();
  first.querySelector("input, textarea, select").focus();
});
form.addEventListener("input", (event) => { const box = event.target.closest("fieldset[data-q]"); if (box) tell(box, ""); });
document.querySelector("fieldset [aria-invalid=true]")?.focus();
