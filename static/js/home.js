// The first page: more rows of the matrix as one scrolls, other rows as one types or chooses; the choice stays in the
// address. The server filters, so that two hundred applications are found as quickly as two.
(function () {
  const QUIET = 80;
  let asked = 0, timer = 0, loading = false;

  const one = (selector) => document.querySelector(selector);

  function fields() {
    return document.querySelectorAll("[data-filter]");
  }

  function rows() {
    return document.querySelectorAll("tr[data-name]");
  }

  // A look for changes must ask for as many rows as there are here.
  function noteRows() {
    one("main").dataset.also = "rows=" + Math.max(rows().length, 1);
  }

  function address(from) {
    const wanted = new URL(one("[data-rows]").dataset.rows, location.href);
    wanted.search = location.search;
    wanted.searchParams.set("from", from);
    return wanted;
  }

  async function load(from) {
    const turn = ++asked;
    loading = true;
    try {
      const answer = await fetch(address(from), { cache: "no-store" });
      if (answer.redirected || answer.status === 403) return location.reload();
      if (!answer.ok || turn !== asked) return;
      show(await answer.json(), from);
    } catch {
      return; // not connected: the next scroll or letter asks again
    } finally {
      if (turn === asked) loading = false;
    }
  }

  function show(said, from) {
    const body = one("[data-rows]"), holder = document.createElement("tbody");
    holder.innerHTML = said.rows;
    if (!from) body.replaceChildren();
    body.append(...holder.children);
    one("[data-shown]").textContent = said.found === said.all ? String(said.all) : said.found + " of " + said.all;
    one(".dp-none-found").hidden = said.found > 0;
    one("[data-more]").hidden = !said.more;
    document.dispatchEvent(new CustomEvent("dp:changed"));
  }

  function choose(name, value, plain) {
    const wanted = new URL(location.href);
    if (value === plain) wanted.searchParams.delete(name);
    else wanted.searchParams.set(name, value);
    history.replaceState(null, "", wanted);
    load(0);
  }

  function search(text) {
    for (const field of fields()) if (field.value !== text) field.value = text;
    clearTimeout(timer);
    timer = setTimeout(() => choose("q", text.trim(), ""), QUIET);
  }

  const seen = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && more(), { rootMargin: "600px" });

  function watch() {
    seen.disconnect(); // said anew, for what is still in view is told only once
    const end = one("[data-more]");
    if (end && !end.hidden) seen.observe(end);
  }

  function more() {
    if (!loading) load(rows().length);
  }

  document.addEventListener("input", (event) => [...fields()].includes(event.target) && one("[data-rows]") && search(event.target.value));
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Enter" || ![...fields()].includes(event.target)) return;
    event.preventDefault();
    one("tr[data-name] td a")?.focus();
  });
  document.addEventListener("click", function (event) {
    const button = event.target.closest("[data-which]");
    if (button) {
      for (const other of document.querySelectorAll("[data-which]")) other.setAttribute("aria-pressed", String(other === button));
      choose("which", button.dataset.which, "all");
    }
    if (event.target.closest("[data-more]")) more();
    if (event.target.closest("[data-clear]")) {
      for (const other of document.querySelectorAll("[data-which]")) other.setAttribute("aria-pressed", String(other.dataset.which === "all"));
      const wanted = new URL(location.href);
      wanted.search = "";
      history.replaceState(null, "", wanted);
      for (const field of fields()) field.value = "";
      load(0);
    }
  });
  addEventListener("DOMContentLoaded", function () {
    if (!one("[data-rows]")) return;
    noteRows();
    watch();
  });
  document.addEventListener("dp:changed", function () {
    if (!one("[data-rows]")) return;
    noteRows();
    watch();
  });
})();
