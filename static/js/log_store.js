// Lines by place, in blocks that are asked for when they are to be seen. Only so many blocks are kept: a tab never
// holds a whole log. Of all hosts a line's place follows from its number; of one host the server counts.
const BLOCK = 500, KEPT = 40, AT_ONCE = 3, AGAIN = 1000;

export class LogStore {
  constructor(address, host, changed) {
    this.address = address;
    this.host = host;
    this.changed = changed;
    this.total = 0;
    this.blocks = new Map();
    this.asking = new Set();
    this.behind = false;
    this.broken = false;
  }

  line(place) {
    return this.blocks.get(Math.floor(place / BLOCK))?.[place % BLOCK];
  }

  put(place, line) {
    const index = Math.floor(place / BLOCK);
    let block = this.blocks.get(index);
    if (!block) {
      this.blocks.set(index, (block = []));
      for (const oldest of this.blocks.keys()) {
        if (this.blocks.size <= KEPT) break;
        this.blocks.delete(oldest);
      }
    }
    block[place % BLOCK] = line;
    if (place >= this.total) this.total = place + 1;
  }

  // New lines of the whole log; a store of one host asks again, for it cannot know their places.
  take(lines) {
    if (!this.host) for (const line of lines) this.put(line.n - 1, line);
    else if (lines.some((line) => line.host === this.host)) this.askForMore();
  }

  setTotal(total) {
    if (!this.host) this.total = Math.max(this.total, total);
    else this.askForMore();
  }

  // Everything from place `first` on up to `end` that is not here.
  want(first, end) {
    for (let index = Math.floor(first / BLOCK); index * BLOCK < end; index += 1) {
      const block = this.blocks.get(index), from = index * BLOCK, most = Math.min(BLOCK, this.total - from);
      if (block) {
        this.blocks.delete(index); // the latest looked at is the last to go
        this.blocks.set(index, block);
      }
      let have = 0;
      while (have < most && block?.[have]) have += 1;
      if (have < most) this.ask(from + have, most - have, index);
    }
  }

  async ask(at, most, index) {
    if (this.asking.has(index) || this.asking.size >= AT_ONCE) return;
    this.asking.add(index);
    try {
      this.keep(await this.fetch({ at, most }));
    } finally {
      this.asking.delete(index);
      this.changed();
    }
  }

  askForMore() {
    if (this.behind) return;
    this.behind = true;
    setTimeout(async () => {
      this.behind = false;
      this.keep(await this.fetch({ at: this.total, most: BLOCK }));
      this.changed();
    }, 150);
  }

  // The window around a line, or the last one; its place in this store.
  async find(n) {
    const found = await this.fetch(n ? { n, most: BLOCK } : { most: BLOCK });
    this.keep(found);
    if (!found) return 0;
    const index = n ? found.lines.findIndex((line) => line.n >= n) : found.lines.length - 1;
    return found.at + (index < 0 ? found.lines.length - 1 : index);
  }

  keep(found) {
    if (!found) return;
    this.total = Math.max(this.total, found.total);
    found.lines.forEach((line, index) => this.put(found.at + index, line));
  }

  async fetch(asked) {
    const address = new URL(this.address, location.href);
    for (const [name, value] of Object.entries(asked)) address.searchParams.set(name, value);
    if (this.host) address.searchParams.set("host", this.host);
    try {
      const answer = await fetch(address, { cache: "no-store" });
      if (answer.redirected) location.reload(); // signed out
      if (!answer.ok) throw new Error(String(answer.status));
      this.broken = false;
      return await answer.json();
    } catch {
      this.broken = true;
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
      return null;
    }
  }
}
