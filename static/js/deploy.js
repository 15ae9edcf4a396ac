// The page of a deploy, apart from its log: what the socket says of hosts is shown at once, all else is read again.
import { chooseHost } from "./log.js";

let refreshing = 0, chosen = "";

// Status frames come in bursts; the page is read again at most every 300 ms, and once after the last.
function refreshSoon() {
  if (refreshing) return;
  refreshing = setTimeout(function () {
    refreshing = 0;
    window.deployerRefresh();
  }, 300);
}

// A square changes at once; its words in full, and all else, come with the page that is read again.
function showHostState(host) {
  const square = document.getElementById("host-" + host.host);
  const fresh = document.querySelector("template[data-shapes]").content.querySelector(`[data-state="${host.status}"]`);
  if (!square || !fresh || square.dataset.state === host.status) return;
  square.dataset.state = host.status;
  square.classList.toggle("dp-f", fresh.hasAttribute("data-bad"));
  square.querySelector("svg").replaceWith(document.importNode(fresh.querySelector("svg"), true));
  square.querySelector("span").textContent = fresh.dataset.words;
}

function markHosts() {
  for (const square of document.querySelectorAll("[data-host]")) square.setAttribute("aria-pressed", String(square.dataset.host === chosen));
}

document.addEventListener("dp:status", function (event) {
  for (const host of event.detail.hosts || []) showHostState(host);
  refreshSoon();
});
document.addEventListener("dp:end", () => window.deployerRefresh());
document.addEventListener("dp:host", function (event) {
  chosen = event.detail;
  markHosts();
});
document.addEventListener("dp:changed", markHosts);
document.addEventListener("click", function (event) {
  const square = event.target.closest("[data-host]"), shown = event.target.closest("[data-show]");
  if (square) chooseHost(square.dataset.host === chosen ? "" : square.dataset.host);
  if (shown) {
    chooseHost(shown.dataset.show);
    document.querySelector("[data-log]").scrollIntoView({ block: "nearest" });
  }
});
