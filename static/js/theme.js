// Sets the theme before the first paint: a stored choice, else the system's. In the head, and therefore small.
(function () {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  function stored() {
    try {
      return localStorage.getItem("deployer-theme");
    } catch {
      return null; // storage may be switched off; the theme then lasts for one page
    }
  }

  function apply() {
    const theme = stored() || (system.matches ? "dark" : "light");
    root.setAttribute("data-bs-theme", theme);
  }

  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", apply); // another tab has chosen
  document.addEventListener("click", function (event) {
    if (!event.target.closest("[data-theme-toggle]")) return;
    const next = root.getAttribute("data-bs-theme") === "dark" ? "light" : "dark";
    root.setAttribute("data-bs-theme", next);
    try {
      localStorage.setItem("deployer-theme", next);
    } catch {
      return;
    }
  });
})();
