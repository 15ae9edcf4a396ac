// The log pane of a deploy's page: its state is in the address (line, host, words), what can be seen comes by place,
// what is new by WebSocket, from the number after the last line that we know of: a lost connection loses nothing.
import { LogSearch } from "./log_search.js";
import { LogStore } from "./log_store.js";
import { LogView } from "./log_view.js";

const LAST = 100, FIRST_WAIT = 500, LONGEST_WAIT = 10000;
const panel = document.querySelector("[data-log]");
const part = (name) => panel.querySelector(`[data-${name}]`);
const address = new URLSearchParams(location.search);
const lineOf = (hash) => Number((hash.match(/^#L(\d+)$/) || [])[1] || 0);
const view = new LogView(panel, { followed: tellFollow, missing: (first, end) => store.want(first, end) });
const search = new LogSearch(panel.dataset.hits, tellHits);
const whole = new LogStore(panel.dataset.lines, "", changed);
let store = whole, over = "", wait = FIRST_WAIT;

function changed() {
  view.draw();
  tellCount();
  search.more(whole.total);
}

function tellCount() {
  const count = part("count"), total = store.total.toLocaleString();
  let words = `${total} lines so far, none lost`;
  if (over) words = over.lines ? `${over.lines.toLocaleString()} lines, sha256 ${over.sha256}` : "No lines. Nothing was printed before it ended.";
  if (store.host) words = `${total} line${store.total === 1 ? "" : "s"} of ${store.host}`;
  if (store.broken) words = "Not connected; what is missing is asked for again.";
  if (count.textContent !== words) count.textContent = count.title = words;
}

function remember(facts, hash) {
  const now = new URL(location.href);
  for (const [name, value] of Object.entries(facts)) {
    if (value) now.searchParams.set(name, value);
    else now.searchParams.delete(name);
  }
  if (hash !== undefined) now.hash = hash;
  clearTimeout(remember.timer);
  remember.next = now.href;
  history.replaceState(null, "", now);
}

// ---------- follow, wrap, times ----------
function tellFollow(on) {
  part("follow").setAttribute("aria-pressed", String(on));
}

function setFollow(on) {
  tellFollow(on);
  view.setFollow(on);
}

function setWrap(on) {
  part("wrap").setAttribute("aria-pressed", String(on));
  view.setWrap(on);
}

function setTimes(on) {
  part("times").setAttribute("aria-pressed", String(on));
  panel.classList.toggle("dp-no-times", !on);
  if (view.wrap) view.forget();
}

const kept = { ...{ wrap: false, times: true }, ...JSON.parse(localStorage.getItem("deployer-log") || "{}") };
function toggle(name) {
  kept[name] = !kept[name];
  localStorage.setItem("deployer-log", JSON.stringify(kept));
  (name === "wrap" ? setWrap : setTimes)(kept[name]);
}

// ---------- a line ----------
function choose(n) {
  part("linked").textContent = `Line ${n.toLocaleString()} is chosen`;
  part("copy").hidden = false;
  part("copy").textContent = "Copy link";
  setFollow(false);
  view.change({ linked: n });
  clearTimeout(choose.timer);
  choose.timer = setTimeout(() => remember({}, "L" + n), 100); // browsers bear only so many changes of the address
}

async function goTo(n) {
  setFollow(false);
  const asked = (goTo.asked = n);
  const place = store.host ? await store.find(n) : n - 1;
  if (asked !== goTo.asked) return;
  if (!store.line(place)) await store.find(n);
  view.goTo(place);
}

async function copy() {
  const link = new URL(location.href);
  link.hash = "L" + view.linked;
  try {
    await navigator.clipboard.writeText(link.href);
  } catch {
    const field = document.createElement("textarea"); // without https the clipboard is not ours
    field.value = link.href;
    panel.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  part("copy").textContent = "Copied";
}

// ---------- one host or all ----------
export function chooseHost(name) {
  if (name === store.host) return;
  store = name ? new LogStore(panel.dataset.lines, name, changed) : whole;
  view.use(store);
  if (name) store.find(0).then(changed);
  const one = part("one-host");
  one.hidden = !name;
  one.setAttribute("aria-pressed", String(Boolean(name)));
  part("host-name").textContent = name;
  part("all-hosts").setAttribute("aria-pressed", String(!name));
  for (const raw of panel.querySelectorAll("a[data-raw]")) raw.search = name ? "?host=" + encodeURIComponent(name) : "";
  remember({ host: name });
  if (search.words) search.begin(search.words, name, search.hit);
  tellCount();
  document.dispatchEvent(new CustomEvent("dp:host", { detail: name }));
}

// ---------- search ----------
function tellHits() {
  panel.querySelector(".dp-cnt").hidden = !search.words;
  part("found").textContent = search.words ? search.tell() : "";
}

function look(words, hit = 0) {
  const field = part("search");
  if (field.value !== words) field.value = words;
  search.begin(words, store.host, hit);
  remember({ find: words, hit });
  tellHits();
  view.change({ words, hit });
}

async function step(by) {
  const top = store.line(view.place);
  const n = await search.step(by, top ? top.n : 1);
  if (!n) return;
  remember({ hit: n });
  view.change({ hit: n });
  goTo(n);
}

// ---------- by keyboard: everything that a button does, while the log has the focus ----------
function chosenLine(by) {
  const rows = [...view.rows.values()].filter((row) => row.id), numbers = rows.map((row) => lineOf("#" + row.id));
  const here = numbers.indexOf(view.linked);
  if (here < 0 || !rows[here + by]) return store.line(view.place)?.n || 0;
  return numbers[here + by];
}

const keys = {
  ArrowUp: () => arrow(-1),
  ArrowDown: () => arrow(1),
  Home: () => (setFollow(false), view.goTo(0)),
  End: () => setFollow(true),
  f: () => setFollow(!view.follow),
  w: () => toggle("wrap"),
  t: () => toggle("times"),
  n: () => step(1),
  N: () => step(-1),
  p: () => step(-1),
  h: () => chooseHost(store.host ? "" : view.seen.querySelector(".dp-x > b")?.dataset.of || ""),
  c: () => view.linked && copy(),
  Escape: () => chooseHost(""),
};

function arrow(by) {
  const n = chosenLine(by);
  if (!n) return;
  choose(n);
  const row = document.getElementById("L" + n), box = view.box.getBoundingClientRect(), at = row?.getBoundingClientRect();
  if (!at || at.top < box.top || at.bottom > box.bottom) goTo(n);
}

view.box.addEventListener("keydown", function (event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  event.preventDefault();
  event.stopPropagation();
  keys[event.key]();
});
view.seen.addEventListener("click", function (event) {
  const row = event.target.closest("li");
  if (event.target.localName === "i" && row.id) choose(lineOf("#" + row.id));
  if (event.target.dataset.of) chooseHost(event.target.dataset.of);
});
part("follow").addEventListener("click", () => setFollow(!view.follow));
part("wrap").addEventListener("click", () => toggle("wrap"));
part("times").addEventListener("click", () => toggle("times"));
part("copy").addEventListener("click", copy);
part("all-hosts").addEventListener("click", () => chooseHost(""));
part("one-host").addEventListener("click", () => chooseHost(""));
part("search").addEventListener("input", function (event) {
  clearTimeout(look.timer);
  look.timer = setTimeout(() => look(event.target.value), 150);
});
part("search").addEventListener("keydown", function (event) {
  if (event.key === "Enter") {
    event.preventDefault();
    if (event.target.value !== search.words) look(event.target.value);
    step(event.shiftKey ? -1 : 1);
  } else if (event.key === "Escape" && event.target.value) {
    event.preventDefault();
    look("");
  }
});
for (const button of panel.querySelectorAll("[data-hit]")) button.addEventListener("click", () => step(Number(button.dataset.hit)));
addEventListener("hashchange", () => lineOf(location.hash) && (choose(lineOf(location.hash)), goTo(lineOf(location.hash))));

// ---------- what is new ----------
function tell(words) {
  document.querySelector("[data-log-state]").textContent = words;
}

function take(frame) {
  if (frame.lines) {
    whole.take(frame.lines);
    if (store !== whole) store.take(frame.lines);
    changed();
  }
  if (frame.status) {
    tell("live");
    whole.setTotal(frame.status.log.lines);
    document.dispatchEvent(new CustomEvent("dp:status", { detail: frame.status }));
  }
  if (frame.watching) document.dispatchEvent(new CustomEvent("dp:watching", { detail: frame.watching }));
  if (frame.end) {
    over = frame.end;
    whole.setTotal(frame.end.lines);
    part("cursor").hidden = true;
    tell("complete");
    changed();
    document.dispatchEvent(new CustomEvent("dp:end", { detail: frame.end }));
  }
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}${panel.dataset.log}?from=${whole.total + 1}&last=${LAST}&page=1`);
  socket.addEventListener("message", function (event) {
    wait = FIRST_WAIT;
    take(JSON.parse(event.data));
    if (over) socket.close();
  });
  socket.addEventListener("close", function (event) {
    if (over) return;
    document.dispatchEvent(new CustomEvent("dp:watching", { detail: [] }));
    if (event.code === 4403) return location.reload(); // signed out, or no longer allowed: the page says which
    if (event.code === 4400 || event.code === 4404) return tell("not to be had; reload the page");
    tell(event.code === 4429 ? "too many of your logs are open; this one waits" : "not connected, trying again");
    setTimeout(connect, (event.code === 4429 ? LONGEST_WAIT : wait) * (0.75 + Math.random() / 2));
    wait = Math.min(wait * 2, LONGEST_WAIT);
  });
}

async function open() {
  const linked = lineOf(location.hash), hit = Number(address.get("hit")) || 0, words = address.get("find") || "";
  view.use(whole);
  setTimes(kept.times);
  setWrap(kept.wrap);
  if (linked) {
    choose(linked);
    panel.scrollIntoView({ block: "nearest" });
  }
  const place = await whole.find(linked || hit);
  if (address.get("host")) chooseHost(address.get("host"));
  if (words) look(words, hit);
  if (linked || hit) store === whole ? view.goTo(place) : goTo(linked || hit);
  changed();
  connect();
}

open();
