// The shipping horn on pages that watch production: something else is live than a moment ago. Parts of the page that
// say what is live say it in data-ships; a person who wants no horn has no data-shipping-horn on the page.
import { blow } from "./horn.js";

const horn = document.querySelector("[data-shipping-horn]");

function live() {
  return new Map([...document.querySelectorAll("[data-ships]")].map((one) => [one.dataset.shipsTo, one.dataset.ships]));
}

let known = live();
document.addEventListener("dp:changed", function () {
  const now = live(), shipped = [...now].some(([target, deploy]) => deploy && known.has(target) && known.get(target) !== deploy);
  known = now;
  if (shipped && horn) blow(Number(horn.dataset.volume), 1, horn.dataset.shippingHorn).then((heard) => (horn.dataset.blown = heard ? "yes" : "no"));
});
