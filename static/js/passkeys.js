// Passkeys: a form says what the browser shall make or sign (data-options), and takes the answer with it.
(function () {
  const WORDS = {
    NotAllowedError: "Nothing was done: it was cancelled, took too long, or this device knows no passkey for here.",
    InvalidStateError: "This device has a passkey for here already.",
    SecurityError: "Passkeys work only at the address that this installation is known by, over https or on localhost.",
  };

  function bytes(text) {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  }

  function text(buffer) {
    const plain = String.fromCharCode(...new Uint8Array(buffer));
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  function opened(options) {
    const asked = { ...options, challenge: bytes(options.challenge) };
    if (asked.user) asked.user = { ...asked.user, id: bytes(asked.user.id) };
    for (const list of ["excludeCredentials", "allowCredentials"]) {
      if (asked[list]) asked[list] = asked[list].map((known) => ({ ...known, id: bytes(known.id) }));
    }
    return asked;
  }

  function closed(made) {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (made.response[name]) response[name] = text(made.response[name]);
    }
    return {
      id: made.id, rawId: text(made.rawId), type: made.type, response,
      clientExtensionResults: made.getClientExtensionResults(),
    };
  }

  async function ask(form) {
    const words = form.querySelector("[data-words]"), button = form.querySelector("button");
    if (!window.PublicKeyCredential) {
      words.textContent = "This browser has no passkeys, or not at an address without https.";
      return;
    }
    const { publicKey } = JSON.parse(form.dataset.options);
    button.disabled = true;
    words.textContent = "The browser asks now.";
    try {
      const made = await navigator.credentials[form.dataset.passkey]({ publicKey: opened(publicKey) });
      form.elements.answer.value = JSON.stringify(closed(made));
      form.submit();
    } catch (error) {
      words.textContent = WORDS[error.name] || `The browser could not do it: ${error.message}`;
      button.disabled = false;
    }
  }

  addEventListener("submit", function (event) {
    if (!event.target.matches("[data-passkey]")) return;
    event.preventDefault();
    ask(event.target);
  });
})();
