// The horn at the end of a deploy that one has watched, and a notice of the browser. Neither comes before a gesture of
// the person: a browser that allows no sound makes none, and nothing else changes.
const menu = document.querySelector("[data-horn]"), part = (name) => menu.querySelector(`[data-${name}]`);
const NOTICE = "deployer-notice", SAVE = 400;
let context = null, sound = null;

export async function blow(volume, times = 1, address = menu.dataset.horn) {
  if (!navigator.userActivation?.hasBeenActive) return false;
  try {
    context ||= new AudioContext();
    await context.resume();
    sound ||= await context.decodeAudioData(await (await fetch(address)).arrayBuffer());
    for (let turn = 0; turn < times; turn += 1) {
      const source = context.createBufferSource(), loudness = context.createGain();
      source.buffer = sound;
      source.playbackRate.value = times > 1 ? 0.75 : 1; // lower, and short: something is wrong
      loudness.gain.value = (volume / 100) ** 2;
      source.connect(loudness).connect(context.destination);
      source.start(context.currentTime + turn * 0.8, 0, times > 1 ? 0.5 : undefined);
    }
    return true;
  } catch {
    return false;
  }
}

function notify(words, body, tag) {
  if (!document.hidden || !part("notice").checked || window.Notification?.permission !== "granted") return;
  const notice = new Notification(words, { body, tag });
  notice.onclick = function () {
    window.focus();
    notice.close();
  };
}

export function tellEnd(good, words, body, tag) {
  if (!menu) return; // it was over when the page came
  const volume = Number(part("horn-volume").value);
  if (part("horn-on").checked && volume) blow(volume, good ? 1 : 2).then((heard) => (menu.dataset.blown = heard ? "yes" : "no"));
  notify(words, body, tag);
}

function save() {
  clearTimeout(save.timer);
  save.timer = setTimeout(function () {
    const facts = new URLSearchParams({ on: part("horn-on").checked ? "yes" : "no", volume: part("horn-volume").value });
    const token = document.querySelector("#act [name=csrfmiddlewaretoken]").value;
    fetch(menu.dataset.save, { method: "POST", body: facts, headers: { "X-CSRFToken": token } })
      .then((answer) => (menu.dataset.saved = answer.ok ? "yes" : "no"))
      .catch(() => (menu.dataset.saved = "no"));
  }, SAVE);
}

async function askForNotice() {
  if (part("notice").checked && Notification.permission !== "granted") part("notice").checked = (await Notification.requestPermission()) === "granted";
  localStorage.setItem(NOTICE, part("notice").checked ? "yes" : "");
}

if (menu) {
  if (window.isSecureContext && "Notification" in window) {
    part("notice-row").hidden = false;
    part("notice").checked = Notification.permission === "granted" && localStorage.getItem(NOTICE) === "yes";
    part("notice").addEventListener("change", askForNotice);
  }
  part("horn-on").addEventListener("change", save);
  part("horn-volume").addEventListener("change", save);
  part("horn-try").addEventListener("click", () => blow(Number(part("horn-volume").value)).then((heard) => (menu.dataset.tried = heard ? "yes" : "no")));
}
