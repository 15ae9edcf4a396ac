// The hosts of a deploy: squares with names, or cells of one picture per zone. The server draws them once; what the
// socket says of a host changes its own square and nothing else.
import { chooseHost } from "./log.js";

const fleet = document.querySelector("[data-fleet]"), words = document.querySelector("[data-cell-words]");
const states = document.querySelector("template[data-shapes]").content;
const ORDER = ["pending", "preparing", "prepared", "switched", "live"], BEHIND = 0.8, FEWEST = 4;
let chosen = "", filter = "", over = "final" in fleet.dataset;

const all = () => fleet.querySelectorAll("[data-host]");
const factsOf = (state) => states.querySelector(`[data-state="${state}"]`).dataset;
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.round(seconds) % 60).padStart(2, "0")}`;

// The same words as deployments/page_queries/grid.py.
function tell(host) {
  const seconds = (new Date(host.finished_at) - new Date(host.started_at)) / 1000, goal = fleet.dataset.goal;
  if (host.status === "live") return host.started_at && host.finished_at ? `${goal} after ${clock(seconds)}` : goal;
  if (host.step && (host.status === "preparing" || host.status === "switched")) return host.step;
  if (host.status === "cancelled" && host.switched_at) return "cancelled, switched";
  if (host.status === "failed" && host.step) return `failed at ${host.step}`;
  return factsOf(host.status).words;
}

function keep(square, name, value) {
  if (value) square.dataset[name] = value;
  else delete square.dataset[name];
}

export function showHosts(hosts) {
  for (const host of hosts) {
    const square = document.getElementById("host-" + host.host);
    if (!square) continue;
    const facts = factsOf(host.status), said = tell(host);
    square.dataset.state = host.status;
    keep(square, "began", host.started_at);
    keep(square, "ended", host.finished_at);
    if (square.localName === "use") {
      square.setAttribute("href", "#m-" + host.status);
      square.setAttribute("class", facts.tone);
      square.setAttribute("aria-label", `${host.host}: ${said}`);
      if (square === active) show(square);
    } else {
      square.querySelector("use").setAttribute("href", facts.shape);
      square.querySelector("svg").setAttribute("class", "dp-g " + facts.tone);
      square.classList.toggle("dp-f", "bad" in facts);
      square.title = `${host.host}: ${said}`;
      square.querySelector("[data-words]").textContent = said;
      showSince(square, host);
    }
  }
  count();
}

function showSince(square, host) {
  square.querySelector("[data-since]")?.remove();
  if (!host.started_at || host.finished_at) return;
  const since = document.createElement("span"), time = document.createElement("time");
  since.dataset.since = "";
  time.dataset.elapsed = host.started_at;
  since.append(", ", time);
  square.querySelector("[data-words]").after(since);
  document.dispatchEvent(new CustomEvent("dp:times"));
}

export const liveHosts = () => fleet.querySelectorAll('[data-host][data-state="live"]').length;

// ---------- failed and slow ----------
function slowOnes(squares) {
  const took = squares.filter((one) => one.dataset.began && one.dataset.ended).map((one) => new Date(one.dataset.ended) - new Date(one.dataset.began));
  took.sort((one, other) => one - other);
  const half = took[Math.floor(took.length / 2)], limit = took.length >= FEWEST ? Math.max(2 * half, half + 2000) : Infinity;
  const ranks = squares.map((one) => ORDER.indexOf(one.dataset.state)), slow = new Set();
  squares.forEach(function (one, index) {
    const { began, ended, state } = one.dataset;
    if (began && (ended || !over) && (ended ? new Date(ended) : Date.now()) - new Date(began) > limit) slow.add(one);
    const open = !over && ranks[index] >= 0 && state !== "live" && began && !ended;
    if (open && ranks.filter((rank) => rank > ranks[index]).length >= BEHIND * squares.length) slow.add(one);
  });
  return slow;
}

function count() {
  const squares = [...all()], slow = squares.length >= FEWEST ? slowOnes(squares) : new Set();
  let failed = 0;
  for (const one of squares) {
    const bad = "bad" in factsOf(one.dataset.state) || one.dataset.state === "unknown";
    failed += bad;
    one.toggleAttribute("data-failed", bad);
    one.toggleAttribute("data-slow", slow.has(one));
  }
  for (const number of document.querySelectorAll("[data-number]")) number.textContent = number.dataset.number === "failed" ? failed : slow.size;
}

function setFilter(name) {
  filter = fleet.dataset.only = name;
  for (const button of document.querySelectorAll("button[data-filter]")) button.setAttribute("aria-pressed", String(button.dataset.filter === name));
}

// ---------- choosing: by click, and among cells by arrow keys ----------
let active = null;

function show(cell) {
  if (words && cell) words.textContent = cell.getAttribute("aria-label");
}

function activate(cell) {
  active?.classList.remove("dp-now");
  active = cell;
  const picture = cell.ownerSVGElement;
  picture.setAttribute("aria-activedescendant", cell.id);
  ring(picture, cell, "dp-ring");
  show(cell);
}

function ring(picture, cell, name) {
  picture.querySelector("." + name)?.remove();
  if (!cell) return;
  const size = Number(cell.getAttribute("width")), frame = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  frame.setAttribute("class", name);
  frame.setAttribute("x", Number(cell.getAttribute("x")) - 1);
  frame.setAttribute("y", Number(cell.getAttribute("y")) - 1);
  frame.setAttribute("width", size + 2);
  frame.setAttribute("height", size + 2);
  picture.append(frame);
}

function choose(square) {
  chooseHost(square.dataset.host === chosen ? "" : square.dataset.host);
}

function mark() {
  for (const square of all()) square.setAttribute(square.localName === "use" ? "aria-selected" : "aria-pressed", String(square.dataset.host === chosen));
  for (const picture of fleet.querySelectorAll("svg.dp-cells")) ring(picture, picture.querySelector('[aria-selected="true"]'), "dp-chosen");
}

fleet.addEventListener("keydown", function (event) {
  const picture = event.target.closest("svg.dp-cells");
  if (!picture) return;
  const cells = [...picture.querySelectorAll(filter ? `[data-host][data-${filter}]` : "[data-host]")], columns = filter ? 1 : Number(fleet.dataset.columns);
  if (!cells.length) return;
  const at = cells.indexOf(active), by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  if (by) activate(cells[at < 0 ? 0 : Math.min(cells.length - 1, Math.max(0, at + by))]);
  else if (event.key === "Home") activate(cells[0]);
  else if (event.key === "End") activate(cells[cells.length - 1]);
  else if ((event.key === "Enter" || event.key === " ") && at >= 0) choose(active);
  else return;
  event.preventDefault();
});
fleet.addEventListener("mouseover", (event) => event.target.closest("use[data-host]") && show(event.target.closest("use[data-host]")));
document.addEventListener("click", function (event) {
  const square = event.target.closest("[data-fleet] [data-host]"), button = event.target.closest("button[data-filter]");
  if (square) choose(square);
  if (square?.localName === "use") activate(square);
  if (button) setFilter(button.dataset.filter);
});
document.addEventListener("dp:host", function (event) {
  chosen = event.detail;
  mark();
});
document.addEventListener("dp:end", function () {
  over = true;
  count();
});
setInterval(() => over || count(), 2000);
count();
