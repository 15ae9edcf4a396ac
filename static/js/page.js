// On every page: times in the viewer's zone, menus that close, forms that cannot be sent twice.
(function () {
  const MINUTE = 60, HOUR = 3600, DAY = 86400, FAR = 180 * DAY;
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

  const soon = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false });
  const today = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });

  const far = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

  // The server's clock, so that a wrong one here shows no negative times.
  const served = new Date(document.documentElement.dataset.now || Date.now());
  const ahead = Date.now() - served;

  // The same words as deployments/templatetags/deployer.py: what the server wrote must not change when we arrive.
  function age(seconds) {
    if (seconds < 45) return "now";
    if (seconds < HOUR) return Math.max(1, Math.round(seconds / MINUTE)) + " min";
    if (seconds < DAY) return Math.round(seconds / HOUR) + " h";
    const days = Math.round(seconds / DAY);
    if (days < 2) return "1 day";
    if (days < 60) return days + " days";
    if (days < 700) return Math.round(days / 30.4) + " months";
    return Math.round(days / 365) + " years";
  }

  function tellTimes(root) {
    const now = Date.now() - ahead;
    for (const element of root.querySelectorAll("time[datetime]")) {
      const at = new Date(element.dateTime);
      if (isNaN(at)) continue;
      if (!element.dataset.exact) {
        element.dataset.exact = "yes";
        element.title = exact.format(at);
      }
      if (element.dataset.as === "clock") {
        element.textContent = at.toLocaleTimeString(undefined, { hour12: false });
        continue;
      }
      if (element.dataset.as === "at") {
        const shape = Math.abs(at - now) > FAR * 1000 ? far : at.toDateString() === new Date(now).toDateString() ? today : soon;
        const text = shape.format(at);
        if (element.textContent !== text) element.textContent = text;
        continue;
      }
      const words = age((now - at) / 1000);
      const text = element.dataset.as === "ago" && words !== "now" ? words + " ago" : words;
      if (element.textContent !== text) element.textContent = text;
    }
  }

  function tellElapsed() {
    for (const element of document.querySelectorAll("time[data-elapsed]")) {
      const seconds = Math.max(0, Math.floor((Date.now() - ahead - new Date(element.dataset.elapsed)) / 1000));
      const parts = [Math.floor(seconds / MINUTE) % 60, seconds % MINUTE], hours = Math.floor(seconds / HOUR);
      const text = (hours ? hours + ":" + String(parts[0]).padStart(2, "0") : parts[0]) + ":" + String(parts[1]).padStart(2, "0");
      if (element.textContent !== text) element.textContent = text;
    }
  }

  function tellZone() {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (const element of document.querySelectorAll("[data-zone]")) element.textContent = "All times " + zone;
  }

  addEventListener("DOMContentLoaded", function () {
    tellTimes(document);
    tellZone();
    tellElapsed();
    setInterval(() => tellTimes(document), 15000);
    setInterval(tellElapsed, 1000);
  });
  for (const name of ["htmx:afterSwap", "dp:changed", "dp:times"]) {
    document.addEventListener(name, function () {
      tellTimes(document);
      tellElapsed();
    });
  }

  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") for (const open of document.querySelectorAll("details.dp-menu[open]")) open.open = false;
  });
  document.addEventListener("click", function (event) {
    for (const open of document.querySelectorAll("details.dp-menu[open]")) {
      if (!open.contains(event.target)) open.open = false;
    }
    if (event.target.closest('[aria-disabled="true"]')) event.preventDefault();
  });
  document.addEventListener("submit", function (event) {
    if (event.target.dataset.sent) event.preventDefault();
    if (event.target.method === "post") event.target.dataset.sent = "yes";
  });
  // A page that comes back from the history may be sent again.
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));
})();
