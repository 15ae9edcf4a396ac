// Pages of hosts and of the activity: a click on a square leads to its host; a chosen filter is applied at once.
(function () {
  document.addEventListener("click", function (event) {
    const square = event.target.closest(".dp-map [data-host]");
    if (square) location.assign("/hosts/" + encodeURIComponent(square.dataset.host));
  });

  // Words are asked for as they are typed. When their field is left they are not asked for once more, which would take
  // the list, and the link that is gone to, away under one's hands.
  document.addEventListener("change", event => {
    if (event.target.id === "host-q") event.stopPropagation();
  }, true);

  // What the list is narrowed to stands in the address, so that a look in the background and a link say the same.
  document.addEventListener("htmx:afterSwap", function (event) {
    if (event.detail.target.id === "host-list") history.replaceState(null, "", event.detail.pathInfo.finalRequestPath);
  });

  document.addEventListener("change", function (event) {
    const form = event.target.closest("form[data-filters]");
    if (!form) return;
    const wanted = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) wanted.set(name, value);
    location.assign(location.pathname + (wanted.size ? "?" + wanted : ""));
  });
})();
