// Locks: forms say in which time zone a person chose an end, and offer one that is to come.
(function () {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

  function fill() {
    for (const field of document.querySelectorAll("[data-zone-field]")) field.value = zone;
    for (const field of document.querySelectorAll('.dp-lock-date input')) {
      if (field.value) continue;
      const next = new Date(Date.now() + 24 * 3600e3);
      next.setMinutes(0);
      const part = (number) => String(number).padStart(2, "0");
      field.value = `${next.getFullYear()}-${part(next.getMonth() + 1)}-${part(next.getDate())}T${part(next.getHours())}:00`;
    }
  }

  addEventListener("DOMContentLoaded", fill);
  for (const name of ["dp:changed", "htmx:afterSwap"]) document.addEventListener(name, fill);
})();
