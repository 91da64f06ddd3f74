// Keys of the review and of the audit: what each one does is printed on its button. Without script the page is plain forms and links.
const busy = (event) => event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]");
const typing = (target) => target.matches("textarea, select, input:not([type=radio], [type=checkbox])");

document.addEventListener("keydown", (event) => {
  if (busy(event) || typing(event.target)) return;
  const form = document.querySelector("form[data-decide]");
  if (event.key === "?") {
    document.getElementById("map")?.showModal();
  } else if (event.key === "Enter" && form && !event.target.closest("a, button, summary")) {
    form.requestSubmit();
  } else {
    const key = CSS.escape(event.key.toLowerCase());
    const found = form?.querySelector(`input[data-key="${key}"]`) ?? document.querySelector(`:is(a, button)[data-key="${key}"]`);
    if (!found) return;
    found.click();
    if (found.matches("input")) found.focus();
  }
  event.preventDefault();
});

// What can be taken back for a while goes when it no longer can.
for (const toast of document.querySelectorAll("[data-until]")) {
  setTimeout(() => toast.remove(), Math.max(0, toast.dataset.until * 1000 - Date.now()));
}
document.querySelector(".q-item[aria-current]")?.scrollIntoView({ block: "nearest" });
