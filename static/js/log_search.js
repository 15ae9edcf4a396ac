// The search over a whole log: the server looks, in steps of about a second, and says how far it is.
const ENOUGH = 20000; // hits in hand; more are asked for when one steps past them

export class LogSearch {
  constructor(address, changed) {
    this.address = address;
    this.changed = changed;
    this.clear();
  }

  clear() {
    this.words = "";
    this.host = "";
    this.hits = [];
    this.hit = 0; // number of the current line
    this.searched = 0;
    this.done = true;
    this.run = {};
  }

  begin(words, host, hit = 0) {
    this.clear();
    this.words = words;
    this.host = host;
    this.hit = hit;
    if (words) this.go();
  }

  // Look on from where it is: all, or until there are many.
  async go(enough = ENOUGH) {
    const run = (this.run = {});
    this.done = false;
    while (!this.done && this.hits.length < enough) {
      this.changed();
      const found = await this.ask();
      if (run !== this.run) return; // other words meanwhile
      if (!found) continue;
      for (const n of found.hits) this.hits.push(n);
      this.searched = found.searched;
      this.done = found.done;
    }
    this.changed();
  }

  async ask() {
    const address = new URL(this.address, location.href);
    address.search = new URLSearchParams({ q: this.words, from: this.searched + 1, ...(this.host ? { host: this.host } : {}) });
    try {
      const answer = await fetch(address, { cache: "no-store" });
      if (answer.ok) return await answer.json();
    } catch {
      // the connection; tried again
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return null;
  }

  // The log has grown.
  more(total) {
    if (this.words && this.done && total > this.searched) this.go();
  }

  get index() {
    return this.hit ? lowest(this.hits, this.hit) : -1;
  }

  // The hit after or before the current one; without one, the first after line `from`.
  async step(by, from) {
    if (!this.hits.length) return 0;
    const here = this.hit ? this.index : lowest(this.hits, from) - (by > 0 ? 1 : 0);
    let next = here + by;
    if (next >= this.hits.length && !this.done) await this.go(this.hits.length + ENOUGH);
    next = (next + this.hits.length) % this.hits.length;
    this.hit = this.hits[next];
    this.changed();
    return this.hit;
  }

  tell() {
    const count = this.hits.length.toLocaleString() + (this.done ? "" : "+");
    if (!this.hits.length) return this.done ? "none" : "looking…";
    const index = this.index;
    return this.hit && this.hits[index] === this.hit ? `${(index + 1).toLocaleString()} of ${count}` : `${count} found`;
  }
}

// The first place in a rising list whose number is `n` or more.
function lowest(numbers, n) {
  let low = 0, high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] < n) low = middle + 1;
    else high = middle;
  }
  return low;
}
