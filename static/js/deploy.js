// The page of a deploy, apart from its log: what the socket says is shown at once (hosts, title, icon, who watches),
// all else is read again, piece by piece.
import { liveHosts, showHosts } from "./grid.js";
import { tellEnd } from "./horn.js";
import { chooseHost } from "./log.js";

const states = document.querySelector("template[data-shapes]").content, name = document.title.replace(/^\S+ (\d+\/\d+ )?/, "");
const panel = document.querySelector("[data-log]"), final = ["succeeded", "partial", "failed", "cancelled", "needs_attention"];
let refreshing = 0, hosts = 0;

// Status frames come in bursts; the page is read again at most every 300 ms, and once after the last.
function refreshSoon() {
  if (refreshing) return;
  refreshing = setTimeout(function () {
    refreshing = 0;
    window.deployerRefresh();
  }, 300);
}

// Also in a tab that nobody looks at, which does not read the page again.
function showTitle(status) {
  const facts = states.querySelector(`[data-deploy="${status}"]`).dataset, icon = document.querySelector('link[rel="icon"]');
  document.title = `${facts.sign} ${final.includes(status) ? "" : `${liveHosts()}/${hosts} `}${name}`;
  if (icon.getAttribute("href") === facts.icon) return;
  const fresh = icon.cloneNode();
  fresh.href = facts.icon;
  icon.replaceWith(fresh);
}

document.addEventListener("dp:status", function (event) {
  const status = event.detail;
  hosts = Math.max(hosts, document.querySelectorAll("[data-fleet] [data-host]").length, status.hosts.length);
  showHosts(status.hosts);
  showTitle(status.status);
  refreshSoon();
});
document.addEventListener("dp:end", function (event) {
  window.deployerRefresh();
  const words = states.querySelector(`[data-deploy="${event.detail.status}"]`).dataset.sign + " " + name;
  tellEnd(event.detail.status === "succeeded", words, event.detail.status.replace("_", " "), panel.dataset.log);
});
document.addEventListener("dp:watching", function (event) {
  const place = document.querySelector("[data-watching]");
  if (!place) return;
  const me = place.dataset.me, others = event.detail.filter((one) => one !== me);
  const listed = others.length > 4 ? [...others.slice(0, 3), `${others.length - 3} more`] : others;
  place.textContent = others.length ? `${[...listed, "you"].join(", ").replace(/, you$/, " and you")} are watching` : "";
  place.title = others.join(", ");
});
document.addEventListener("click", function (event) {
  const shown = event.target.closest("[data-show]");
  if (!shown) return;
  chooseHost(shown.dataset.show);
  panel.scrollIntoView({ block: "nearest" });
});
// Hosts that were set aside while it waited: the page has other pieces now.
document.addEventListener("dp:changed", () => panel.isConnected || location.reload());
