// Fields whose list is too long to be sent whole: what is typed is asked for, and the browser suggests what is found.
(function () {
  const PAUSE = 150;
  const timers = new WeakMap(), asked = new WeakMap();

  function show(field, found) {
    const made = found.map(([value, words]) => {
      const option = document.createElement("option");
      option.value = value;
      if (words !== value) option.label = words;
      return option;
    });
    field.list.replaceChildren(...made);
  }

  async function ask(field) {
    const address = new URL(field.dataset.choices, location.href), q = field.value.trim();
    if (asked.get(field) === q) return;
    asked.set(field, q);
    address.searchParams.set("q", q);
    try {
      const answer = await fetch(address);
      if (answer.ok && asked.get(field) === q) show(field, (await answer.json()).found);
    } catch {
      asked.delete(field); // without a network the field stays as it is: a plain one
    }
  }

  document.addEventListener("input", function (event) {
    const field = event.target;
    if (!field.matches("[data-choices]") || field.value === "") return;
    if ([...field.list.options].some((option) => option.value === field.value)) return; // it was chosen
    clearTimeout(timers.get(field));
    timers.set(field, setTimeout(() => ask(field), PAUSE));
  });
})();
