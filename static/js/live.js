// Keeps a page as true as the server: fetches it again and puts in place what changed, piece by piece.
// A piece is an element with data-piece; only pieces whose HTML changed are touched, so that nothing jumps and no
// click gets lost on what stayed the same. `data-live` on the body is the number of seconds between looks.
(function () {
  let known = "", under_way = false, again = false;

  function pieces(root) {
    const found = new Map();
    for (const element of root.querySelectorAll("[data-piece]")) found.set(element.dataset.piece, element);
    return found;
  }

  const written = new Map(); // the server's HTML of each piece; the page's own may have got live times since
  function remember(root) {
    for (const [name, element] of pieces(root)) written.set(name, element.outerHTML);
  }

  function replace(old, fresh) {
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    const imported = document.importNode(fresh, true);
    old.replaceWith(imported);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    return imported;
  }

  function take(text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    const here = pieces(document), there = pieces(page), changed = [];
    const structure = [...here.keys()].some((name) => !there.has(name)) || [...there.keys()].some((name) => !here.has(name));
    if (structure) {
      const main = document.querySelector("main"), fresh = page.querySelector("main");
      if (main && fresh) main.innerHTML = fresh.innerHTML;
      written.clear();
      remember(page);
      changed.push(main);
    } else {
      for (const [name, element] of there) {
        if (element.parentElement.closest("[data-piece]")) continue; // the outer piece carries it
        const html = element.outerHTML;
        if (written.get(name) === html) continue;
        written.set(name, html);
        changed.push(replace(here.get(name), element));
      }
    }
    if (page.title && document.title !== page.title) document.title = page.title;
    const icon = document.querySelector('link[rel="icon"]'), fresh = page.querySelector('link[rel="icon"]');
    if (icon && fresh && icon.getAttribute("href") !== fresh.getAttribute("href")) icon.replaceWith(document.importNode(fresh));
    if (changed.length) document.dispatchEvent(new CustomEvent("dp:changed"));
  }

  function tell(words) {
    for (const element of document.querySelectorAll("[data-connection]")) element.textContent = words;
  }

  async function refresh() {
    if (under_way) {
      again = true;
      return;
    }
    under_way = true;
    try {
      const address = location.pathname + location.search;
      const answer = await fetch(address, { cache: "no-store", headers: { "X-Known": known } });
      if (answer.redirected && new URL(answer.url).pathname !== location.pathname) location.reload(); // signed out
      if (answer.status === 200) {
        take(await answer.text());
        known = answer.headers.get("X-Tag") || "";
      }
      tell(answer.ok ? "Connected, updates live" : "The server answers with an error; trying again");
    } catch {
      tell("Not connected; trying again");
    } finally {
      under_way = false;
    }
    if (again) {
      again = false;
      refresh();
    }
  }

  window.deployerRefresh = refresh;
  addEventListener("DOMContentLoaded", function () {
    remember(document);
    const seconds = Number(document.body.dataset.live);
    if (!seconds) return;
    tell("Connected, updates live");
    setInterval(() => document.visibilityState === "visible" && refresh(), seconds * 1000);
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refresh());
  });
})();
