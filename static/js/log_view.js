// A window of rows over any number of lines. Rows have one height, so a line's place follows from its index; only the
// rows that can be seen exist. Colours by ansi_up, whose inline styles our policy forbids: they are set as properties.
const ROW = 20, SPARE = 20, TALLEST = 560;
const { AnsiUp } = await import(document.querySelector("script[data-ansi]").dataset.ansi);
const TROUBLE = /\b(failed|refused|unreachable|timed out|lost|nobody knows)\b/i;

function colour(text) {
  const ansi = new AnsiUp();
  ansi.use_classes = true;
  ansi.url_allowlist = {};
  return ansi.ansi_to_html(text + "\u001b[0m").replace(/<span style="([^"]*)"/g, '<span data-style="$1"');
}

export class LogView {
  constructor(panel) {
    this.panel = panel;
    this.box = panel.querySelector(".dp-log");
    this.all = panel.querySelector(".dp-log-all");
    this.seen = panel.querySelector(".dp-log-seen");
    this.lines = [];
    this.shown = null; // indices of the lines of one host; null: all
    this.host = "";
    this.last = 0;
    this.hits = [];
    this.hit = -1;
    this.words = "";
    this.follow = true;
    this.linked = Number((location.hash.match(/^#L(\d+)$/) || [])[1] || 0);
    if (this.linked) this.setFollow(false);
    this.drawing = false;
    this.listen();
    this.startSearch(new URLSearchParams(location.search).get("find") || "");
  }

  get length() {
    return this.shown ? this.shown.length : this.lines.length;
  }

  line(position) {
    return this.lines[this.shown ? this.shown[position] : position];
  }

  append(lines) {
    if (!lines.length) return;
    const before = this.last;
    for (const line of lines) {
      this.lines.push(line);
      if (this.shown && line.host === this.host) this.shown.push(this.lines.length - 1);
      if (this.words && this.matches(line)) this.hits.push(line.n);
    }
    this.last = lines[lines.length - 1].n;
    this.tellCount(`${this.last.toLocaleString()} lines so far, none lost`);
    this.tellHits();
    if (this.linked > before && this.linked <= this.last) this.goTo(this.linked);
    this.draw();
  }

  finish(end) {
    this.panel.querySelector("[data-cursor]").hidden = true;
    this.tellCount(`${end.lines.toLocaleString()} lines, sha256 ${end.sha256}`);
    if (end.lines === 0) this.tellCount("No lines. Nothing was printed before it ended.");
  }

  tellCount(words) {
    const count = this.panel.querySelector("[data-count]");
    count.textContent = words;
    count.title = words;
  }

  showHost(name) {
    this.host = name;
    this.shown = name ? this.lines.flatMap((line, index) => (line.host === name ? [index] : [])) : null;
    if (!this.follow) this.box.scrollTop = 0;
    this.draw();
  }

  setFollow(on) {
    this.follow = on;
    this.panel.querySelector("[data-follow]").setAttribute("aria-pressed", String(on));
    if (on) this.draw();
  }

  positionOf(n) {
    if (!this.shown) return n - this.lines[0].n;
    return this.shown.findIndex((index) => this.lines[index].n >= n);
  }

  goTo(n) {
    if (!this.lines.length) return;
    this.setFollow(false);
    this.resize();
    this.box.scrollTop = Math.max(0, this.positionOf(n) * ROW - this.box.clientHeight / 2);
    this.draw();
  }

  resize() {
    const height = this.length * ROW;
    this.all.style.height = height + "px";
    this.box.style.height = Math.min(Math.max(height, 3 * ROW) + 12, Math.max(TALLEST, innerHeight * 0.6)) + "px";
  }

  draw() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.resize();
      if (this.follow) this.box.scrollTop = this.box.scrollHeight;
      const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - SPARE);
      const end = Math.min(this.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW) + SPARE);
      const rows = [];
      for (let position = first; position < end; position += 1) rows.push(this.row(this.line(position)));
      this.seen.replaceChildren(...rows);
      this.seen.style.transform = `translateY(${first * ROW}px)`;
    });
  }

  row(line) {
    const row = document.createElement("li"), own = line.stream === "deployer";
    row.id = "L" + line.n;
    row.className = (own ? "dp-c" : "") + (own && TROUBLE.test(line.text) ? " dp-e" : "") + (line.n === this.linked ? " dp-x" : "");
    const number = document.createElement("i"), time = document.createElement("time"), host = document.createElement("b");
    number.textContent = line.n.toLocaleString();
    time.textContent = new Date(line.at).toLocaleTimeString(undefined, { hour12: false });
    time.title = line.at;
    host.textContent = line.host || "deployer";
    host.title = host.textContent;
    const text = document.createElement("span");
    text.innerHTML = colour(line.text); // escaped by ansi_up
    for (const part of text.querySelectorAll("[data-style]")) part.style.cssText = part.dataset.style;
    if (this.words) this.mark(text, line.n === this.hits[this.hit]);
    row.append(number, time, host, text);
    return row;
  }

  mark(text, current) {
    const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT), nodes = [];
    while (walker.nextNode()) nodes.push(walker.currentNode);
    for (let node of nodes) {
      for (;;) {
        const at = node.data.toLowerCase().indexOf(this.words);
        if (at < 0) break;
        const found = node.splitText(at), rest = found.splitText(this.words.length), mark = document.createElement("mark");
        if (current) mark.className = "dp-now-hit";
        found.replaceWith(mark);
        mark.append(found);
        node = rest;
      }
    }
  }

  matches(line) {
    return line.text.toLowerCase().includes(this.words);
  }

  startSearch(words) {
    const field = this.panel.querySelector("[data-search]");
    if (field.value !== words) field.value = words;
    this.words = words.toLowerCase();
    this.hits = this.words ? this.lines.filter((line) => this.matches(line)).map((line) => line.n) : [];
    this.hit = -1;
    const address = new URL(location.href);
    if (words) address.searchParams.set("find", words);
    else address.searchParams.delete("find");
    if (address.href !== location.href) history.replaceState(null, "", address);
    this.tellHits();
    this.draw();
  }

  tellHits() {
    this.panel.querySelector(".dp-cnt").hidden = !this.words;
    const place = this.hit >= 0 ? `${this.hit + 1} of ${this.hits.length}` : `${this.hits.length} found`;
    this.panel.querySelector("[data-hits]").textContent = place;
  }

  step(by) {
    if (!this.hits.length) return;
    this.hit = this.hit < 0 ? (by > 0 ? 0 : this.hits.length - 1) : (this.hit + by + this.hits.length) % this.hits.length;
    this.tellHits();
    this.goTo(this.hits[this.hit]);
  }

  link(n) {
    this.linked = n;
    history.replaceState(null, "", "#L" + n);
    this.panel.querySelector("[data-linked]").textContent = `Line ${n.toLocaleString()} is linked`;
    this.panel.querySelector("[data-copy]").hidden = false;
    this.setFollow(false);
    this.draw();
  }

  listen() {
    this.box.addEventListener("scroll", () => this.draw(), { passive: true });
    for (const kind of ["wheel", "touchmove"]) {
      this.box.addEventListener(kind, (event) => (event.deltaY ?? -1) < 0 && this.setFollow(false), { passive: true });
    }
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.seen.addEventListener("click", (event) => event.target.localName === "i" && this.link(Number(event.target.parentElement.id.slice(1))));
    this.panel.querySelector("[data-follow]").addEventListener("click", () => this.setFollow(!this.follow));
    this.panel.querySelector("[data-copy]").addEventListener("click", () => navigator.clipboard?.writeText(location.href));
    const field = this.panel.querySelector("[data-search]");
    field.addEventListener("input", () => this.startSearch(field.value));
    field.addEventListener("keydown", (event) => event.key === "Enter" && (event.preventDefault(), this.step(event.shiftKey ? -1 : 1)));
    for (const button of this.panel.querySelectorAll("[data-hit]")) button.addEventListener("click", () => this.step(Number(button.dataset.hit)));
    addEventListener("hashchange", () => {
      const n = Number((location.hash.match(/^#L(\d+)$/) || [])[1] || 0);
      if (n) this.link(n), this.goTo(n);
    });
    addEventListener("resize", () => this.draw());
  }

  // Arrow keys choose a line, so that linking needs no mouse; Page up and Home leave the end.
  key(event) {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (by && this.linked && this.linked + by >= 1 && this.linked + by <= this.last) {
      event.preventDefault();
      this.link(this.linked + by);
      this.goTo(this.linked);
    } else if (["ArrowUp", "PageUp", "Home"].includes(event.key)) {
      this.setFollow(false);
    } else if (event.key === "End") {
      this.setFollow(true);
    }
  }
}
