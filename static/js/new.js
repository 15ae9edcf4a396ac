// Choosing what goes out: a combobox over branches, tags and commits; htmx brings the choices and what each would do.
(function () {
  let active = -1, timer = 0, chosen = "";

  const field = () => document.getElementById("ref");
  const choices = () => document.querySelector(".dp-choices");
  const options = () => [...document.querySelectorAll("#refs [role=option]")];

  function open(shown) {
    choices().hidden = !shown;
    field().setAttribute("aria-expanded", String(shown));
    if (!shown) activate(-1);
  }

  function activate(index) {
    active = index;
    options().forEach((option, place) => option.setAttribute("aria-selected", String(place === index)));
    const chosen = options()[index];
    if (chosen) {
      field().setAttribute("aria-activedescendant", chosen.id);
      chosen.scrollIntoView({ block: "nearest" });
    } else {
      field().removeAttribute("aria-activedescendant");
    }
  }

  function look() {
    clearTimeout(timer);
    timer = setTimeout(() => htmx.trigger(field(), "dp:look"), 120);
    open(true);
  }

  function choose(ref) {
    chosen = field().value = ref;
    open(false);
    const address = new URL(location.href);
    address.searchParams.set("ref", ref);
    history.replaceState(null, "", address);
    htmx.trigger("#plan", "dp:chosen");
  }

  function key(event) {
    const many = options().length, shown = !choices().hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!shown) look();
      else if (many) activate((active + (event.key === "ArrowDown" ? 1 : many - (active < 0 ? 0 : 1))) % many);
    } else if (event.key === "Enter") {
      event.preventDefault(); // the button confirms, never a key in this field
      choose(shown && active >= 0 ? options()[active].dataset.ref : field().value.trim());
    } else if (event.key === "Escape" && shown) {
      event.preventDefault();
      open(false);
    }
  }

  addEventListener("DOMContentLoaded", function () {
    chosen = field().value;
    // What is chosen already is no question: then all there is is shown.
    document.addEventListener("htmx:configRequest", function (event) {
      if (event.detail.elt === field() && field().value.trim() === chosen) event.detail.parameters.ref = "";
    });
    field().addEventListener("input", look);
    field().addEventListener("keydown", key);
    field().addEventListener("blur", function (event) {
      // Left by the Tab key: what stands in the field is what is meant.
      if (event.relatedTarget && !event.relatedTarget.closest("[data-pick]")) {
        open(false);
        if (field().value.trim() !== chosen) choose(field().value.trim());
      }
    });
    field().addEventListener("click", () => choices().hidden && look());
    document.querySelector("[data-open]").addEventListener("click", function () {
      if (choices().hidden) {
        field().focus();
        field().select();
        look();
      } else {
        open(false);
      }
    });
    document.addEventListener("mousedown", function (event) {
      const option = event.target.closest("#refs [role=option]");
      if (option) {
        event.preventDefault();
        choose(option.dataset.ref);
      } else if (!event.target.closest("[data-pick]") && !choices().hidden) {
        open(false);
        if (field().value.trim() !== chosen) choose(field().value.trim());
      }
    });
    document.addEventListener("htmx:afterSwap", (event) => event.target.id === "refs" && activate(-1));
    document.addEventListener("htmx:sendError", (event) => tellTrouble(event, "The server could not be reached. Nothing was changed; try again."));
    document.addEventListener("htmx:responseError", (event) => tellTrouble(event, "The server answered with an error. Nothing was changed; reload the page."));
  });

  function tellTrouble(event, words) {
    if (event.detail.elt.matches("[hx-trigger^=every]")) return; // it asks again by itself, and nobody waits for it
    const note = document.createElement("div"), text = document.createElement("p");
    note.className = "dp-notice dp-bad dp-t24";
    note.setAttribute("role", "alert");
    text.textContent = words;
    note.append(text);
    document.getElementById("plan").replaceChildren(note);
  }
})();
