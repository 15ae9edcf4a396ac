// The first page: filters the matrix while one types; the choice stays in the address.
(function () {
  let which = "all";

  function fields() {
    return document.querySelectorAll(".dp-find input, [data-filter]");
  }

  function wanted() {
    return (new URLSearchParams(location.search).get("q") || "").trim().toLowerCase();
  }

  function apply() {
    const words = wanted().split(/\s+/).filter(Boolean);
    let shown = 0, all = 0;
    for (const row of document.querySelectorAll("tr[data-name]")) {
      const named = words.every((word) => row.dataset.name.includes(word));
      const chosen = which === "all" || row.hasAttribute("data-" + which);
      row.hidden = !(named && chosen);
      all += 1;
      shown += row.hidden ? 0 : 1;
    }
    for (const note of document.querySelectorAll("[data-shown]")) note.textContent = shown === all ? String(all) : shown + " of " + all;
    for (const empty of document.querySelectorAll(".dp-none-found")) empty.hidden = shown > 0;
  }

  function search(text) {
    const address = new URL(location.href);
    if (text) address.searchParams.set("q", text);
    else address.searchParams.delete("q");
    history.replaceState(null, "", address);
    for (const field of fields()) if (field.value !== text) field.value = text;
    apply();
  }

  document.addEventListener("input", (event) => [...fields()].includes(event.target) && search(event.target.value));
  document.addEventListener("submit", function (event) {
    if (!event.target.matches(".dp-find")) return;
    event.preventDefault();
    const rows = document.querySelectorAll("tr[data-name]:not([hidden]) td a");
    if (rows.length) rows[0].focus();
  });
  document.addEventListener("click", function (event) {
    const button = event.target.closest("[data-which]");
    if (button) {
      which = button.dataset.which;
      for (const other of document.querySelectorAll("[data-which]")) other.setAttribute("aria-pressed", String(other === button));
      apply();
    }
    if (event.target.closest("[data-clear]")) {
      document.querySelector('[data-which="all"]').click();
      search("");
    }
  });
  document.addEventListener("dp:changed", apply);
  addEventListener("DOMContentLoaded", apply);
})();
