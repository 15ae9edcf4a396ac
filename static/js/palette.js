// The command palette and the sheet of shortcuts: two dialogs, which the browser itself keeps the focus in and gives it
// back from. The server finds (deployments/page_queries/search.py); the field keeps the focus and points at the choice.
(function () {
  const QUIET = 60;
  let timer = 0, asked = 0, input, list, dialog;

  const options = () => [...list.querySelectorAll('[role="option"]')];
  const chosen = () => list.querySelector('[aria-selected="true"]');

  function choose(option) {
    chosen()?.setAttribute("aria-selected", "false");
    if (!option) return input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  }

  async function find() {
    const turn = ++asked, address = new URL(dialog.dataset.palette, location.href);
    address.searchParams.set("q", input.value);
    try {
      const answer = await fetch(address, { cache: "no-store" });
      if (answer.redirected || answer.status === 403) return location.reload();
      const html = await answer.text();
      if (turn !== asked) return;
      list.innerHTML = answer.ok ? html : '<p class="dp-pal-none">The server answers with an error. Try again.</p>';
    } catch {
      list.innerHTML = '<p class="dp-pal-none">Not connected. Try again in a moment.</p>';
    }
    const found = options().length;
    dialog.querySelector("[data-results]").textContent = found === 1 ? "1 result" : found + " results";
    choose(options()[0]);
  }

  function open() {
    if (dialog.open) return;
    document.querySelector("dialog[open]")?.close();
    input.value = "";
    list.replaceChildren();
    dialog.showModal();
    input.focus();
    find();
  }

  function move(by) {
    const all = options(), at = all.indexOf(chosen());
    if (all.length) choose(all[(at + by + all.length) % all.length]);
  }

  function take(option, event) {
    const doing = option.dataset.does;
    if (!doing) {
      if (event.type === "keydown") option.click();
      else if (!event.ctrlKey && !event.metaKey) dialog.close();
      return;
    }
    event.preventDefault();
    dialog.close();
    if (doing === "theme") document.querySelector("[data-theme-toggle]")?.click();
    if (doing === "shortcuts") document.getElementById("shortcuts").showModal();
  }

  function press(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      move(step);
    }
    if (event.key === "Enter") {
      event.preventDefault();
      if (chosen()) take(chosen(), event);
    }
  }

  addEventListener("DOMContentLoaded", function () {
    dialog = document.getElementById("palette");
    if (!dialog) return;
    input = dialog.querySelector("input");
    list = dialog.querySelector('[role="listbox"]');
    window.deployerPalette = open;
    input.addEventListener("input", function () {
      clearTimeout(timer);
      timer = setTimeout(find, QUIET);
    });
    input.addEventListener("keydown", press);
    list.addEventListener("mousemove", (event) => event.target.closest('[role="option"]') && choose(event.target.closest('[role="option"]')));
    list.addEventListener("click", (event) => event.target.closest('[role="option"]') && take(event.target.closest('[role="option"]'), event));
    document.addEventListener("click", function (event) {
      const opener = event.target.closest("[data-open-palette]");
      if (opener && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        open();
      }
      event.target.closest("[data-close]")?.closest("dialog").close();
      if (event.target.tagName === "DIALOG") event.target.close(); // beside it
    });
  });
})();
