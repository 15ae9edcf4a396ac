// Pages of hosts and of the activity: a click on a square leads to its host; a chosen filter is applied at once.
(function () {
  document.addEventListener("click", function (event) {
    const square = event.target.closest(".dp-map [data-host]");
    if (square) location.assign("/hosts/" + encodeURIComponent(square.dataset.host));
  });

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
