// The settings: copy what is shown once, choose a theme.
(function () {
  const KEY = "deployer-theme";

  function stored() {
    try {
      return localStorage.getItem(KEY) || "";
    } catch {
      return ""; // storage may be switched off
    }
  }

  function tellTheme() {
    for (const button of document.querySelectorAll("[data-themes] button")) {
      button.setAttribute("aria-pressed", String(button.dataset.theme === stored()));
    }
  }

  function choose(theme) {
    try {
      if (theme) localStorage.setItem(KEY, theme);
      else localStorage.removeItem(KEY);
    } catch {
      return;
    }
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.setAttribute("data-bs-theme", theme || (dark ? "dark" : "light"));
    tellTheme();
  }

  async function copy(button) {
    const words = button.querySelector("span");
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      words.textContent = "Copied";
    } catch {
      button.parentElement.querySelector("[data-select]").select(); // no clipboard without https: it is marked instead
      words.textContent = "Press Ctrl C";
    }
  }

  document.addEventListener("click", function (event) {
    const theme = event.target.closest("[data-themes] button"), button = event.target.closest("[data-copy]");
    if (theme) choose(theme.dataset.theme);
    if (button) copy(button);
    if (event.target.matches("[data-select]")) event.target.select();
    if (event.target.closest("[data-theme-toggle]")) setTimeout(tellTheme);
  });
  addEventListener("DOMContentLoaded", tellTheme);
})();
