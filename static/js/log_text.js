// The text of a line as a reader sees it: colours by ansi_up, whose inline styles our policy forbids (they are set as
// properties), and nothing else of what a terminal would obey. What could hide or turn text is shown by its name.
const { AnsiUp } = await import(document.querySelector("script[data-ansi]").dataset.ansi);
const LONGEST = 5000; // characters of a line that are drawn; the raw text has all
const SEQUENCE = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b\n]*(?:\u0007|\u001b\\)|[@-Z^_])/g;
const COLOUR = /^\u001b\[[\d;]*m$/;
const UNSEEN = /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f]|\u001b(?!\[[\d;]*m)/g;
const TURNING = /[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;

function picture(character) {
  const code = character.charCodeAt(0);
  return code === 0x7f ? "\u2421" : String.fromCharCode(0x2400 + code);
}

export function plain(text) {
  return text
    .replace(SEQUENCE, (found) => (COLOUR.test(found) ? found : ""))
    .replace(UNSEEN, picture)
    .replace(TURNING, (found) => "<U+" + found.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0") + ">");
}

export function show(element, text) {
  const cut = text.length > LONGEST, shown = plain(cut ? text.slice(0, LONGEST) : text);
  if (shown.includes("\u001b")) {
    const ansi = new AnsiUp();
    ansi.use_classes = true;
    ansi.url_allowlist = {};
    element.innerHTML = ansi.ansi_to_html(shown + "\u001b[0m").replace(/<span style="([^"]*)"/g, '<span data-style="$1"'); // escaped by ansi_up
    for (const part of element.querySelectorAll("[data-style]")) part.style.cssText = part.dataset.style;
  } else {
    element.textContent = shown;
  }
  if (cut) element.append(` … ${(text.length - LONGEST).toLocaleString()} more characters; the raw text has them`);
}

// Every place of the words in an element, also across colours, in a <mark>.
export function mark(element, words, current) {
  const nodes = [], walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) nodes.push(walker.currentNode);
  const whole = nodes.map((node) => node.data).join(""), lower = whole.toLowerCase(), wanted = words.toLowerCase();
  if (lower.length !== whole.length) return; // a letter that grows: places would be wrong
  const spans = [];
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, at + wanted.length)) spans.push([at, at + wanted.length]);
  let before = 0;
  for (const node of nodes) {
    const end = before + node.data.length;
    // from the end, so that places in what is left stay right
    for (const [from, to] of spans.filter((span) => span[0] < end && span[1] > before).reverse()) {
      const found = node.splitText(Math.max(0, from - before)), hit = document.createElement("mark");
      found.splitText(Math.min(to, end) - Math.max(from, before));
      if (current) hit.className = "dp-now-hit";
      found.replaceWith(hit);
      hit.append(found);
    }
    before = end;
  }
}
