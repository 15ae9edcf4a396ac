// The page of a deploy: its log by WebSocket, from the number after the last line that we have, so that a lost
// connection loses and doubles nothing; a window of rows over any number of lines; one host or all.
import { LogView } from "./log_view.js";

const panel = document.querySelector("[data-log]");
const view = new LogView(panel);
const state = document.querySelector("[data-log-state]");
const FIRST_WAIT = 500, LONGEST_WAIT = 10000;
let wait = FIRST_WAIT, over = false, refreshing = 0;

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

function tell(words) {
  state.textContent = words;
}

function take(frame) {
  if (frame.lines) {
    if (frame.lines.length && frame.lines[0].n > view.last + 1) return false;
    view.append(frame.lines.filter((line) => line.n > view.last));
  }
  if (frame.status) {
    tell("live");
    for (const host of frame.status.hosts || []) showHostState(host);
    refreshSoon();
  }
  if (frame.end) {
    over = true;
    view.finish(frame.end);
    tell("complete");
    window.deployerRefresh();
  }
  return true;
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}${panel.dataset.log}?from=${view.last + 1}`);
  socket.addEventListener("message", function (event) {
    wait = FIRST_WAIT;
    if (!take(JSON.parse(event.data))) socket.close(); // a gap: ask again from where we are
    if (over) socket.close();
  });
  socket.addEventListener("close", function (event) {
    if (over) return;
    if (event.code === 4403) return location.reload(); // signed out, or no longer allowed: the page says which
    if (event.code === 4400 || event.code === 4404) return tell("not to be had; reload the page");
    tell("not connected, trying again");
    setTimeout(connect, wait * (0.75 + Math.random() / 2));
    wait = Math.min(wait * 2, LONGEST_WAIT);
  });
}

// One host or all: by its square, by the button of an error card, by the bar above the log.
function chooseHost(name) {
  view.showHost(name);
  const one = panel.querySelector("[data-one-host]");
  if (name) one.textContent = name;
  one.hidden = !name;
  one.setAttribute("aria-pressed", String(Boolean(name)));
  panel.querySelector("[data-all-hosts]").setAttribute("aria-pressed", String(!name));
  for (const raw of panel.querySelectorAll("a[data-raw]")) raw.search = name ? "?host=" + encodeURIComponent(name) : "";
  markHosts();
}

function markHosts() {
  for (const square of document.querySelectorAll("[data-host]")) {
    square.setAttribute("aria-pressed", String(square.dataset.host === view.host));
  }
}

document.addEventListener("click", function (event) {
  const square = event.target.closest("[data-host]"), shown = event.target.closest("[data-show]");
  if (square) chooseHost(square.dataset.host === view.host ? "" : square.dataset.host);
  if (shown) {
    chooseHost(shown.dataset.show);
    panel.scrollIntoView({ block: "nearest" });
  }
  if (event.target.closest("[data-all-hosts]")) chooseHost("");
});
document.addEventListener("dp:changed", markHosts);
connect();
