// A window of rows over any number of lines; only the rows that can be seen exist. What is true is the anchor: the row
// at the top edge, and how much of it is scrolled past. The scroll bar stands in for it: browsers know no element as tall
// as a million rows, and of wrapped rows nobody knows the height before they are drawn.
import { mark, show } from "./log_text.js";

const ROW = 20, SPARE = 8, EDGES = 12, TALLEST_BOX = 560, TALLEST = 8_000_000, SETTLED = 200, NEAR = 4;
const TROUBLE = /\b(failed|refused|unreachable|timed out|lost|nobody knows)\b/i;
const number = new Intl.NumberFormat(); // each toLocaleString() would make one anew
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

export class LogView {
  constructor(panel, { followed, missing }) {
    this.panel = panel;
    this.followed = followed; // told when following ends because someone scrolls
    this.missing = missing; // asked for lines that are to be seen
    this.box = panel.querySelector(".dp-log");
    this.all = panel.querySelector(".dp-log-all");
    this.seen = panel.querySelector(".dp-log-seen");
    this.store = null;
    this.place = 0;
    this.past = 0; // pixels of the anchor's row above the edge
    this.follow = true;
    this.wrap = false;
    this.linked = 0;
    this.words = "";
    this.hit = 0;
    this.top = 0; // scrollTop as we last knew it
    this.mean = ROW;
    this.heights = new Map();
    this.rows = new Map();
    this.drawing = false;
    this.box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.box);
    addEventListener("resize", () => this.draw());
  }

  get total() {
    return this.store.total;
  }

  // What is to be seen at once, without the box's padding.
  get room() {
    return this.box.clientHeight - EDGES;
  }

  get height() {
    return Math.min(this.total * this.mean, TALLEST);
  }

  get exact() {
    return !this.wrap && this.total * ROW <= TALLEST;
  }

  use(store) {
    this.store = store;
    this.place = this.past = 0;
    this.forget();
  }

  // Rows look different now: draw them anew.
  forget() {
    this.rows.clear();
    this.heights.clear();
    this.mean = ROW;
    this.seen.replaceChildren();
    this.draw();
  }

  setWrap(on) {
    this.wrap = on;
    this.panel.classList.toggle("dp-wrapped", on);
    this.past = 0;
    this.forget();
    this.settle(true);
  }

  setFollow(on) {
    this.follow = on;
    this.draw();
  }

  // Show a place in the middle.
  goTo(place) {
    this.follow = false;
    this.followed(false);
    this.place = Math.max(0, place);
    this.past = 0;
    this.moveBy(-Math.max(0, (this.room - ROW) / 2));
    this.settle(true);
    this.draw();
  }

  heightOf(place) {
    return this.wrap ? this.heights.get(place) ?? this.mean : ROW;
  }

  moveBy(pixels) {
    if (!this.wrap) {
      const at = Math.max(0, this.place * ROW + this.past + pixels);
      this.place = Math.floor(at / ROW);
      this.past = at - this.place * ROW;
    } else {
      this.past += pixels;
      while (this.past < 0 && this.place > 0) this.past += this.heightOf(--this.place);
      while (this.past >= this.heightOf(this.place) && this.place < this.total - 1) this.past -= this.heightOf(this.place++);
      this.past = Math.max(0, this.past);
    }
  }

  toEnd() {
    this.place = Math.max(0, this.total - 1);
    this.past = this.heightOf(this.place);
    this.moveBy(-this.room);
  }

  scrolled() {
    const top = this.box.scrollTop, by = top - this.top, most = this.box.scrollHeight - this.box.clientHeight;
    if (Math.abs(by) < 1) return;
    this.top = top;
    if (by < -2 && this.follow) {
      this.follow = false;
      this.followed(false);
    }
    if (top <= 0) this.place = this.past = 0;
    else if (top >= most - 1) this.toEnd();
    else if (this.exact) {
      this.place = Math.floor(top / ROW);
      this.past = top - this.place * ROW;
    } else if (Math.abs(by) < NEAR * this.box.clientHeight) this.moveBy(by);
    else {
      const at = (top / most) * Math.max(0, this.total - this.room / this.mean);
      this.place = Math.floor(at);
      this.past = (at - this.place) * this.heightOf(this.place);
    }
    clearTimeout(this.settling);
    if (!this.exact) this.settling = setTimeout(() => this.settle(), SETTLED);
    this.draw();
  }

  // Put the scroll bar where the anchor says that it should be.
  settle(now = false) {
    this.resize();
    const most = this.box.scrollHeight - this.box.clientHeight, past = this.place + this.past / this.heightOf(this.place);
    const all = Math.max(1, this.total - this.room / this.mean);
    const top = this.exact ? this.place * ROW + this.past : Math.min(most - 2, (past / all) * most);
    if (now || Math.abs(top - this.box.scrollTop) > 1) this.scrollTo(Math.max(top, this.place || this.past ? 1 : 0));
    this.draw();
  }

  scrollTo(top) {
    this.box.scrollTop = top;
    this.top = this.box.scrollTop;
  }

  resize() {
    const height = this.height + "px", box = Math.min(Math.max(this.height, 3 * ROW) + EDGES, Math.max(TALLEST_BOX, innerHeight * 0.6)) + "px";
    if (this.all.style.height !== height) this.all.style.height = height;
    if (this.box.style.height !== box) this.box.style.height = box;
  }

  draw() {
    if (this.drawing || !this.store) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.drawNow();
    });
  }

  drawNow() {
    this.resize();
    if (this.follow) this.toEnd();
    this.place = Math.min(this.place, Math.max(0, this.total - 1));
    const first = Math.max(0, this.place - SPARE);
    let end = this.place, filled = -this.past;
    while (filled < this.room && end < this.total) filled += this.heightOf(end++);
    end = Math.min(this.total, end + SPARE);
    this.fill(first, end);
    if (this.wrap && this.measure(first) && this.follow) this.toEnd();
    if (this.follow) this.scrollTo(this.box.scrollHeight);
    let above = 0;
    for (let place = first; place < this.place; place += 1) above += this.heightOf(place);
    this.seen.style.transform = `translateY(${this.box.scrollTop - this.past - above}px)`;
    this.missing(Math.max(0, this.place - 1), end);
  }

  // Rows of these places and no others; those that are there already stay.
  fill(first, end) {
    const rows = [];
    for (let place = first; place < end; place += 1) {
      const line = this.store.line(place);
      let row = this.rows.get(place);
      if (!row || (line && row.dataset.void)) row = line ? this.row(line) : this.voidRow(place);
      row.dataset.place = place;
      rows.push([place, row]);
    }
    this.rows = new Map(rows);
    const keep = new Set(this.rows.values());
    for (const old of [...this.seen.children]) if (!keep.has(old)) old.remove();
    let next = this.seen.firstElementChild;
    for (const row of this.rows.values()) {
      if (row === next) next = next.nextElementSibling;
      else this.seen.insertBefore(row, next);
    }
  }

  // Heights of wrapped rows as they are drawn; whether any is new.
  measure(first) {
    let fresh = false, sum = 0;
    for (const [place, row] of this.rows) {
      const height = row.offsetHeight;
      sum += height;
      if (this.heights.get(place) !== height) fresh = true;
      this.heights.set(place, height);
    }
    if (this.heights.size > 5000) this.heights = new Map([...this.heights].filter(([place]) => this.rows.has(place)));
    if (fresh && this.rows.size) {
      this.mean = this.total === this.rows.size ? sum / this.rows.size : Math.max(ROW, 0.9 * this.mean + (0.1 * sum) / this.rows.size);
      this.resize();
    }
    return fresh && first >= 0;
  }

  row(line) {
    const row = document.createElement("li"), own = line.stream === "deployer";
    row.id = "L" + line.n;
    row.className = (own ? "dp-c" : "") + (own && TROUBLE.test(line.text) ? " dp-e" : "") + (line.n === this.linked ? " dp-x" : "");
    const place = document.createElement("i"), time = document.createElement("time"), host = document.createElement("b"), text = document.createElement("span");
    place.textContent = number.format(line.n);
    time.textContent = clock.format(new Date(line.at));
    time.title = line.at;
    host.textContent = line.host || "deployer";
    host.title = host.textContent;
    if (line.host) host.dataset.of = line.host;
    show(text, line.text);
    if (this.words) mark(text, this.words, line.n === this.hit);
    row.append(place, time, host, text);
    return row;
  }

  voidRow(place) {
    const row = document.createElement("li"), n = document.createElement("i");
    row.dataset.void = "yes";
    n.textContent = this.store.host ? "" : number.format(place + 1);
    row.append(n, document.createElement("time"), document.createElement("b"), document.createElement("span"));
    row.lastElementChild.textContent = "…";
    return row;
  }

  // Rows whose look depends on what is linked or found.
  change(facts) {
    Object.assign(this, facts);
    this.rows.clear();
    this.seen.replaceChildren();
    this.draw();
  }
}
