// The few lines that every page shares. Everything works without them except the theme switch.
const root = document.documentElement;

document.addEventListener("click", (event) => {
  const acting = event.target.closest("[data-theme-toggle], [data-open], [data-close], [data-copy], [data-print]");
  if (!acting) {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
    return;
  }
  if (acting.matches("[data-theme-toggle]")) {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    // A cookie, so that the server writes the next page in the chosen theme and nothing flashes.
    document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
  } else if (acting.dataset.open) {
    document.getElementById(acting.dataset.open).showModal();
  } else if ("print" in acting.dataset) {
    print();
  } else if (acting.dataset.copy) {
    navigator.clipboard.writeText(document.getElementById(acting.dataset.copy).textContent.trim());
    acting.lastElementChild.textContent = acting.dataset.done;
  } else {
    acting.closest("dialog").close();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (menu) { menu.open = false; menu.firstElementChild.focus(); }
});

// "/" leads to the search, unless somebody types or the page has a use of its own for it.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable], dialog");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const field = document.querySelector("[type=search]"), way = document.querySelector("[data-slash]");
  if (!field && !way) return;
  event.preventDefault();
  if (field) field.select(); else way.click();
});

// Of tabs that do not fit, the one that is open is in sight.
for (const tab of document.querySelectorAll(":is(.tabs, .nav) [aria-current]")) {
  const bar = tab.closest("nav");
  bar.scrollLeft += tab.getBoundingClientRect().left - bar.getBoundingClientRect().left - (bar.clientWidth - tab.offsetWidth) / 2;
}

// A filter applies as soon as it is chosen; its button is for those without script.
document.addEventListener("change", (event) => {
  if (event.target.closest("[data-apply]")) event.target.form.requestSubmit();
});

// A form goes out once: the second press of an impatient hand is dropped.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "1";
  event.submitter?.setAttribute("aria-busy", "true");
});
// Back from the cache of the browser, it may go out again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
  }
});

// Times are written in the zone of the browser: it tells the server once, and again when it moved.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.includes(`zone=${encodeURIComponent(zone)}`)) {
  document.cookie = `zone=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=lax`;
}

// What can be undone passes by, but not while somebody points at it or is in it.
for (const toast of document.querySelectorAll("[data-toast]")) {
  const pass = () => toast.matches(":hover, :focus-within") ? setTimeout(pass, 2000) : toast.remove();
  setTimeout(pass, 12000);
}

// What a slider stands at is written beside it.
document.addEventListener("input", (event) => {
  if (event.target.type !== "range") return;
  const told = document.querySelector(`[data-told-by="${event.target.id}"]`);
  if (told) told.textContent = event.target.value;
});
