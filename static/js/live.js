// Keeps a page as true as the server, without reload and without polling. One socket says that something which the page
// shows may have changed (deployments/page_socket.py); the page then asks for the pieces that it lacks: elements with
// data-piece whose mark differs. Only those are put in place, so that nothing jumps and no click gets lost on what
// stayed the same. A page becomes live by data-topics on its body; without it `deployerRefresh` alone is offered.
(function () {
  const FIRST_WAIT = 500, LONGEST_WAIT = 10000, STEADY = 5000, SPREAD = 150;
  const MOST_MARKS = 7000; // characters; servers in between refuse longer headers, and without marks all pieces come
  const LONGEST_PRESS = 3000;
  let pressed = null, since = "", under_way = false, again = false, missed = false;
  let socket = null, wait = FIRST_WAIT, timer = 0, opened = 0, closing = false;

  function main() {
    return document.querySelector("main");
  }

  function pieces() {
    const found = new Map();
    for (const element of document.querySelectorAll("[data-piece]")) {
      if (!element.parentElement.closest("[data-piece]")) found.set(element.dataset.piece, element);
    }
    return found;
  }

  // What had the focus keeps it: by its id, else by its address or its words.
  function focusIn(element) {
    const focused = document.activeElement;
    if (!focused || focused === document.body || !element.contains(focused)) return null;
    const { id, tagName } = focused, words = focused.textContent.trim(), href = focused.getAttribute("href");
    return function (fresh) {
      const byId = id && document.getElementById(id);
      const same = byId || [...fresh.querySelectorAll(tagName), fresh].find(
        (other) => other.tagName === tagName && other.getAttribute("href") === href && (href || other.textContent.trim() === words));
      same?.focus({ preventScroll: true });
    };
  }

  // A click is lost when its button is replaced between press and release: what is new waits for that long.
  function released() {
    return pressed && Promise.race([pressed.over, new Promise((resolve) => setTimeout(resolve, LONGEST_PRESS))]);
  }

  function press() {
    let end;
    pressed = { over: new Promise((resolve) => (end = resolve)), end: () => setTimeout(end) }; // after the click itself
  }

  function release() {
    pressed?.end();
    pressed = null;
  }

  addEventListener("pointerdown", press, true);
  for (const name of ["pointerup", "pointercancel"]) addEventListener(name, release, true);
  addEventListener("blur", release); // of the window alone

  function replace(old, html) {
    const holder = document.createElement("template");
    holder.innerHTML = html.trim();
    const fresh = holder.content.firstElementChild, refocus = focusIn(old);
    const opened = [...old.querySelectorAll("details[open][id]")].map((one) => one.id);
    const typed = [...old.querySelectorAll("input[id], select[id], textarea[id]")].map((one) => [one.id, one.value, one.checked]);
    old.replaceWith(fresh);
    // what somebody has begun to fill in stays
    for (const [id, value, checked] of opened.length ? typed : []) {
      const field = document.getElementById(id);
      if (field) Object.assign(field, { value, checked });
    }
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    if (window.htmx) window.htmx.process(fresh);
    refocus?.(fresh);
  }

  function replaceAll(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html").querySelector("main");
    const old = main(), refocus = focusIn(old), top = scrollY;
    for (const name of old.getAttributeNames()) if (name.startsWith("data-")) old.removeAttribute(name);
    for (const name of fresh.getAttributeNames()) old.setAttribute(name, fresh.getAttribute(name));
    old.replaceChildren(...fresh.childNodes);
    if (window.htmx) window.htmx.process(old);
    refocus?.(old);
    scrollTo(0, top);
  }

  function take(said) {
    if (said.page) replaceAll(said.page);
    else {
      const here = pieces();
      for (const [name, html] of Object.entries(said.pieces)) if (here.has(name)) replace(here.get(name), html);
    }
    main().dataset.tag = said.tag;
    const title = new DOMParser().parseFromString(said.title, "text/html").documentElement.textContent;
    if (title && document.title !== title) document.title = title;
    const icon = document.querySelector('link[rel="icon"]');
    if (icon && said.icon && icon.getAttribute("href") !== said.icon) {
      const fresh = icon.cloneNode();
      fresh.href = said.icon;
      icon.replaceWith(fresh);
    }
    const topics = new DOMParser().parseFromString(said.topics, "text/html").documentElement.textContent;
    if (topics && document.body.dataset.topics !== topics) {
      document.body.dataset.topics = topics;
      if (socket) sayTopics();
      else begin(); // a page that has ended: it had a way of its own to hear
    }
    document.dispatchEvent(new CustomEvent("dp:changed"));
  }

  // A piece that grows as one reads on (the rows of a list) says so, or a look would shorten it again.
  function address() {
    const asked = new URL(location.href);
    for (const [name, value] of new URLSearchParams(main().dataset.also || "")) asked.searchParams.set(name, value);
    return asked.pathname + asked.search;
  }

  function checksum(text) {
    let sum = -1;
    for (const byte of new TextEncoder().encode(text)) {
      sum ^= byte;
      for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (0xedb88320 & -(sum & 1));
    }
    return (~sum >>> 0).toString(16).padStart(8, "0");
  }

  function having() {
    const own = pieces(), shape = checksum([...own.keys()].join("\n"));
    const marks = [...own.values()].map((element) => element.dataset.mark).join("");
    return { "X-Known": main().dataset.tag || "", "X-Shape": shape, "X-Marks": marks.length > MOST_MARKS ? "" : marks, "X-Since": since };
  }

  async function refresh() {
    if (under_way) {
      again = true;
      return;
    }
    if (document.visibilityState === "hidden") {
      missed = true;
      return;
    }
    under_way = true;
    missed = false;
    try {
      const asked = address();
      const answer = await fetch(asked, { cache: "no-store", headers: having() });
      const elsewhere = answer.redirected && new URL(answer.url).pathname !== location.pathname;
      if (elsewhere || answer.status === 403 || answer.status === 404) location.reload(); // signed out, or it is gone
      else if (answer.status === 200) {
        const said = await answer.json();
        await released();
        if (asked === address()) take(said);
        else again = true; // one has gone on meanwhile
      }
      if (!answer.ok) retry();
    } catch {
      retry();
    } finally {
      under_way = false;
    }
    if (again) {
      again = false;
      refresh();
    }
  }

  function retry() {
    if (!socket || socket.readyState === WebSocket.OPEN) setTimeout(refresh, 1000 * (1 + Math.random()));
  }

  function tell(state, words) {
    for (const element of document.querySelectorAll("[data-connection]")) {
      element.dataset.connection = state;
      const text = element.querySelector("[data-words]") || element;
      if (text.textContent !== words) text.textContent = words;
    }
  }

  function sayTopics() {
    const topics = (document.body.dataset.topics || "").split(" ").filter(Boolean), waiting = shownWaiting();
    if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ topics, waiting }));
  }

  // How many deploys wait stands in the navigation; a page begins with what the one before it knew.
  const WAITING = "deployer-waiting";
  function shownWaiting() {
    return Number(sessionStorage.getItem(WAITING)) || 0;
  }

  function showWaiting() {
    const place = document.querySelector("[data-waiting]"), number = shownWaiting();
    if (!place) return;
    place.hidden = !number;
    place.firstElementChild.textContent = number > 99 ? "99+" : number;
  }

  function connect() {
    clearTimeout(timer);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const mine = socket = new WebSocket(`${scheme}//${location.host}/ws/page`);
    mine.addEventListener("open", function () {
      opened = Date.now();
      sayTopics();
      tell("on", "Connected, updates live");
      refresh(); // for whatever happened before we listened
    });
    mine.addEventListener("message", function (event) {
      const said = JSON.parse(event.data);
      if ("waiting" in said) {
        sessionStorage.setItem(WAITING, said.waiting);
        return showWaiting();
      }
      since = said.look;
      setTimeout(refresh, Math.random() * SPREAD); // many who watch the same do not all ask at once
    });
    mine.addEventListener("close", function (event) {
      if (closing || mine !== socket) return;
      if (event.code === 4403) return location.reload(); // signed out, or no longer allowed: the page says which
      tell("off", event.code === 4429 ? "Too many of your pages are open; this one waits" : "Not connected, trying again");
      since = "";
      if (opened && Date.now() - opened > STEADY) wait = FIRST_WAIT;
      opened = 0;
      timer = setTimeout(connect, (event.code === 4429 ? LONGEST_WAIT : wait) * (0.75 + Math.random() / 2));
      wait = Math.min(wait * 2, LONGEST_WAIT);
    });
  }

  window.deployerRefresh = refresh;
  window.deployerConnection = tell;
  function begin() {
    connect();
    addEventListener("online", () => socket.readyState === WebSocket.CLOSED && connect());
    addEventListener("pagehide", function () {
      closing = true;
      socket.close();
    });
    addEventListener("pageshow", function (event) {
      if (!event.persisted) return; // comes back from the browser's memory of pages
      closing = false;
      connect();
    });
  }

  addEventListener("DOMContentLoaded", function () {
    showWaiting();
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && missed && refresh());
    if (document.body.hasAttribute("data-topics")) begin();
  });
})();
