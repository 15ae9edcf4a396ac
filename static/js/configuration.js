// "Change" fills the form below with what a row has; a secret's value is typed anew.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-change]");
  const form = document.querySelector("[data-set]");
  if (!button || !form) return;
  const { name, place, secret, value, store, path, key } = button.dataset;
  form.elements.name.value = name;
  if (![...form.elements.place.options].some((option) => option.value === place)) {
    form.elements.place.add(new Option(place.replace(":", " "), place));
  }
  form.elements.place.value = place;
  form.elements.secret.checked = secret === "yes";
  form.elements.value.value = value;
  const lies = form.querySelector("[data-lies]");
  if (lies) {
    lies.open = Boolean(store);
    for (const [word, told] of Object.entries({ store, path, key })) form.elements[word].value = told;
  }
  form.elements.value.focus();
});
