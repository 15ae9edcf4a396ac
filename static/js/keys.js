// Keyboard shortcuts of every page; "?" tells them. Those of a single key can be switched off, for people whose voice
// or switch types letters by accident.
(function () {
  const SEQUENCE = 1200, STORED = "deployer-single-keys";
  const PLACES = { h: "home", w: "waiting", e: "environments", o: "hosts", a: "activity", s: "settings" };
  let going = 0;

  function single() {
    try {
      return localStorage.getItem(STORED) !== "off";
    } catch {
      return true; // storage may be switched off
    }
  }

  function setSingle(on) {
    try {
      localStorage.setItem(STORED, on ? "on" : "off");
    } catch {
      return;
    }
  }

  function typing(element) {
    return /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName) || element.isContentEditable;
  }

  function rows() {
    const found = document.querySelectorAll("main tr[data-name], main .dp-tbl tbody tr, main .dp-list > li");
    return [...found].filter((row) => row.offsetParent && row.querySelector("a[href]"));
  }

  function step(by) {
    const all = rows(), at = all.findIndex((row) => row.contains(document.activeElement));
    const row = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)];
    (row?.querySelector("td a[href]") || row?.querySelector("a[href]"))?.focus();
  }

  function find() {
    const field = [...document.querySelectorAll("[data-filter]")].find((one) => one.offsetParent);
    if (!field) return window.deployerPalette?.();
    field.focus();
    field.select();
  }

  function act(key) {
    if (Date.now() < going) {
      going = 0;
      const link = PLACES[key] && document.querySelector(`.dp-nav a[data-place="${PLACES[key]}"]`);
      if (link) link.click();
      return Boolean(link);
    }
    if (key === "g") going = Date.now() + SEQUENCE;
    else if (key === "/") find();
    else if (key === "?") document.getElementById("shortcuts")?.showModal();
    else if (key === "j" || key === "k") step(key === "j" ? 1 : -1);
    else if (key === "d") document.querySelector("main [data-key-d]")?.click();
    else return false;
    return true;
  }

  document.addEventListener("keydown", function (event) {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      if (!window.deployerPalette) return;
      event.preventDefault();
      window.deployerPalette();
      return;
    }
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (document.querySelector("dialog[open]") || !single()) return;
    if (act(event.key)) event.preventDefault();
  });
  document.addEventListener("click", function (event) {
    const toggle = event.target.closest("[data-single-keys]");
    if (!toggle) return;
    setSingle(!single());
    toggle.setAttribute("aria-pressed", String(single()));
  });
  addEventListener("DOMContentLoaded", () => document.querySelector("[data-single-keys]")?.setAttribute("aria-pressed", String(single())));
})();
