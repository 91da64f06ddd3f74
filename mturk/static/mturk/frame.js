// First in every frame: tells the worker's page how high this one is and which links are followed, waits for pictures
// that are on their way, and sends forms to where answers go. Pages of others run after it, and may undo all of that:
// what they may reach is the policy's to say.
(() => {
  const about = JSON.parse(document.getElementById("frame-about").textContent);
  const tell = (kind, more = {}) => parent.postMessage({ frame: about.nonce, kind, ...more }, about.site);

  // Opaque origins have no storage, and asking for it throws: what a page keeps lasts as long as the page.
  for (const name of ["localStorage", "sessionStorage"]) {
    const kept = new Map();
    const store = { getItem: (key) => kept.get(String(key)) ?? null, setItem: (key, value) => void kept.set(String(key), String(value)), removeItem: (key) => void kept.delete(String(key)), clear: () => kept.clear(), key: (n) => [...kept.keys()][n] ?? null, get length() { return kept.size; } };
    try { Object.defineProperty(window, name, { value: store, configurable: true }); } catch { /* as the browser has it */ }
  }

  const measure = () => tell("height", { height: Math.ceil(Math.max(document.documentElement.getBoundingClientRect().height, document.body?.scrollHeight ?? 0)) });
  addEventListener("load", measure);
  document.addEventListener("DOMContentLoaded", () => { new ResizeObserver(measure).observe(document.body); measure(); });

  // A frame opens nothing by itself: the worker's page shows the address, and they open it there.
  document.addEventListener("click", (event) => {
    const link = event.composedPath().find((one) => one.localName === "a" && /^https?:/.exec(one.href));
    if (!link || link.hash && link.href.split("#")[0] === location.href.split("#")[0]) return;
    event.preventDefault();
    tell("link", { href: link.href, words: link.textContent.trim().slice(0, 200) });
  });

  // Media that is fetched for the first time may come a moment later.
  addEventListener("error", (event) => {
    const shown = event.target;
    if (!(shown instanceof HTMLElement) || !shown.src) return;
    const source = shown.src.split("?again=")[0], tries = +(shown.dataset.tries ?? 0);
    if (!source.includes("/media/") || tries >= 60) return;
    shown.dataset.tries = tries + 1;
    setTimeout(() => { shown.src = `${source}?again=${tries + 1}`; }, 1000);
  }, true);

  // Wherever a page thinks that answers go: here they go to us.
  const isSubmit = (address) => /\/mturk\/externalSubmit(\?|$)/.exec(address);
  function ready(form) {
    if (!isSubmit(form.action)) return;
    const query = form.action.split("?")[1];
    form.action = about.submit + (query ? `?${query}` : "");
    let field = form.querySelector("[name=assignmentId]");
    if (!field) {
      field = Object.assign(document.createElement("input"), { type: "hidden", name: "assignmentId" });
      form.append(field);
    }
    if (!field.value || field.value === "ASSIGNMENT_ID_NOT_AVAILABLE") field.value = about.assignment;
    form.method = "post";
    form.removeAttribute("target");
  }
  const plain = HTMLFormElement.prototype.submit;
  HTMLFormElement.prototype.submit = function submit() { ready(this); return plain.call(this); };
  document.addEventListener("submit", (event) => {
    if (about.preview) { event.preventDefault(); return; }
    if (event.target instanceof HTMLFormElement) ready(event.target);
  }, true);
  if (about.preview) document.addEventListener("DOMContentLoaded", () => {
    for (const button of document.querySelectorAll("input[type=submit], button[type=submit], form button:not([type])")) button.disabled = true;
  });
})();
