// Pages of setting up: copying, looking again, confirming fingerprints, the cards of steps.
(function () {
  const all = (selector, root) => [...(root || document).querySelectorAll(selector)];

  // ---------- copying ----------
  async function copy(button) {
    const source = document.getElementById(button.dataset.copy), words = button.querySelector("[data-copied]");
    try {
      await navigator.clipboard.writeText(source.textContent);
      words.textContent = "Copied";
    } catch {
      // without https there is no clipboard: then the text is chosen, for the person's own Ctrl-C
      getSelection().selectAllChildren(source);
      source.focus();
      words.textContent = "Ctrl-C";
    }
    setTimeout(() => (words.textContent = "Copy"), 2500);
  }

  // ---------- hosts ----------
  function ask(row) {
    htmx.trigger(row, "dp:again");
  }

  function wait(row) {
    row.dataset.state = "asking";
    row.setAttribute("aria-busy", "true");
  }

  function put(host, html) {
    const old = all("[data-hosts] [data-host]").find((row) => row.dataset.host === host);
    if (!old) return;
    const holder = document.createElement("template");
    holder.innerHTML = html.trim();
    const fresh = holder.content.firstElementChild;
    old.replaceWith(fresh);
    htmx.process(fresh);
    tally();
  }

  // All hosts by one request, whose answer grows by a row as soon as one is known.
  async function askAll() {
    const table = document.querySelector("[data-hosts]"), rows = table ? all("[data-host]", table) : [];
    if (!rows.length) return;
    rows.forEach(wait);
    tally();
    try {
      const answer = await fetch(table.dataset.hosts, { cache: "no-store" });
      if (answer.redirected) return location.reload(); // signed out
      if (!answer.ok) throw new Error(String(answer.status));
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ;) {
        const { done, value } = await reader.read();
        if (done) break;
        const lines = (rest + value).split("\n");
        rest = lines.pop();
        for (const said of lines.map((line) => JSON.parse(line))) put(said.host, said.row);
      }
      all('[data-hosts] [data-state="asking"]').forEach(ask); // what it did not come to
    } catch {
      for (const row of all('[data-hosts] [data-state="asking"]')) tellTrouble(row, "The server could not be reached. Nothing was changed; check again.");
    }
  }

  function tally() {
    const table = document.querySelector("[data-hosts]");
    if (!table) return;
    const rows = all("[data-host]", table), count = (state) => rows.filter((row) => row.dataset.state === state).length;
    const good = count("ok") + count("warn"), asking = count("asking"), confirm = count("confirm");
    const parts = [];
    if (good) parts.push(good + " of " + rows.length + " ready");
    if (confirm) parts.push(confirm + (confirm === 1 ? " waits" : " wait") + " for you to confirm who it is");
    if (count("bad")) parts.push(count("bad") + (count("bad") === 1 ? " needs" : " need") + " a look");
    if (asking) parts.push(asking + " being asked");
    document.querySelector("[data-tally]").textContent = parts.join(", ");
    const box = document.querySelector("[data-confirm]"), go = document.querySelector("[data-go-on]");
    box.hidden = confirm === 0;
    box.querySelector("[data-confirm-all]").textContent = confirm === 1 ? "Yes, trust it" : "Yes, trust all " + confirm;
    const ready = good > 0 && good === rows.length;
    go.classList.toggle("dp-btn-go", ready);
    go.textContent = good && !ready ? "Go on with " + good : "Go on";
    document.querySelector("[data-go-on-hint]").textContent = ready || !rows.length ? "" : good ? "The others can be seen to later; a deploy leaves out whoever does not answer." : "You can come back here at any time.";
  }

  // ---------- steps ----------
  function addStep(button) {
    const list = document.querySelector("[data-steps]"), preset = document.querySelector("[data-preset]").value;
    const number = 1 + Math.max(-1, ...all("input[name=step]", list).map((input) => Number(input.value)));
    const address = button.dataset.addStep + "?preset=" + encodeURIComponent(preset) + "&number=" + number;
    htmx.ajax("GET", address, { target: list, swap: "beforeend" }).then(function () {
      const field = document.getElementById("step-" + number + "-name");
      if (field) field.focus();
    });
  }

  function move(button) {
    const step = button.closest("[data-step]"), up = button.dataset.move === "up";
    const other = up ? step.previousElementSibling : step.nextElementSibling;
    if (!other) return;
    if (up) other.before(step);
    else other.after(step);
    button.focus();
  }

  function drop(button) {
    const step = button.closest("[data-step]"), near = step.nextElementSibling || step.previousElementSibling;
    step.remove();
    const next = near ? near.querySelector("summary") : document.querySelector("[data-preset]");
    if (next) next.focus();
    const list = document.querySelector("[data-steps]");
    if (!list.children.length) list.replaceChildren(); // :empty knows no white space
  }

  document.addEventListener("click", function (event) {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.copy) copy(button);
    if ("again" in button.dataset) ask(button.closest("[data-host]"));
    if ("checkAll" in button.dataset) askAll();
    if (button.dataset.addStep) addStep(button);
    if (button.dataset.move) move(button);
    if ("drop" in button.dataset) drop(button);
  });

  document.addEventListener("change", async function (event) {
    const field = event.target;
    if (field.dataset.into && field.files.length) document.getElementById(field.dataset.into).value = await field.files[0].text();
    if ("submit" in field.dataset) field.form.requestSubmit();
  });

  document.addEventListener("input", function (event) {
    const field = event.target;
    if ("named" in field.dataset) field.closest("[data-step]").querySelector("[data-step-name]").textContent = field.value || "new step";
    if ("nameOf" in field.dataset) field.dataset.typed = "yes";
    const name = document.querySelector("[data-name-of=" + (field.id || "none") + "]");
    if (name && !name.dataset.typed) {
      // as adding_applications.name_of does it
      const last = field.value.trim().replace(/\/+$/, "").split(/[/:]/).pop().replace(/\.git$/, "").toLowerCase();
      name.value = last.replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 63);
    }
  });

  for (const name of ["htmx:beforeRequest", "htmx:afterSettle", "DOMContentLoaded"]) {
    addEventListener(name, function (event) {
      const row = event.detail && event.detail.elt;
      if (name === "htmx:beforeRequest" && row && row.dataset && row.dataset.host) wait(row);
      // a form of htmx may be sent again
      if (row && row.dataset) delete row.dataset.sent;
      tally();
    });
  }

  addEventListener("htmx:responseError", (event) => fail(event, "The server answered with an error. Nothing was changed; reload the page."));
  addEventListener("htmx:sendError", (event) => fail(event, "The server could not be reached. Nothing was changed; try again."));
  function fail(event, words) {
    tellTrouble(event.detail.target || event.detail.elt, words);
  }

  function tellTrouble(place, words) {
    const note = document.createElement("p");
    note.className = "dp-bad dp-md";
    note.setAttribute("role", "alert");
    note.textContent = words;
    if (place.dataset.state === "asking") place.dataset.state = "bad";
    place.removeAttribute("aria-busy");
    place.querySelector(".dp-hosts-wide, .dp-tick")?.replaceWith(note) ?? place.append(note);
    tally();
  }

  addEventListener("DOMContentLoaded", askAll);
})();
