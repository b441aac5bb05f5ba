// Messages to this browser: a switch that needs this module, and is hidden without it.
const form = document.querySelector("[data-push]");
const supported = form && "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

function bytes(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

function text(buffer) {
  const plain = String.fromCharCode(...new Uint8Array(buffer ?? new ArrayBuffer(0)));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function say(state) {
  for (const words of form.querySelectorAll("[data-push-state]")) {
    words.hidden = !words.dataset.pushState.split(" ").includes(state);
  }
  form.querySelector("button").disabled = state === "denied";
}

function fill(action, subscription) {
  const keys = subscription.toJSON().keys ?? {};
  form.elements.action.value = action;
  form.elements.endpoint.value = subscription.endpoint;
  form.elements.p256dh.value = keys.p256dh ?? "";
  form.elements.auth.value = keys.auth ?? "";
  form.elements.key.value = text(subscription.options?.applicationServerKey) || form.dataset.push;
}

// The form goes to the server like any other: what changes is there, and this page comes back and says so.
function send(action, subscription) {
  fill(action, subscription);
  form.submit();
}

// The browser may still have what the server has not: it goes there with the session, and whoever signs in next has not asked
// for anything yet.
async function isKnown(subscription) {
  fill("ask", subscription);
  try {
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(new FormData(form)) });
    return (await answer.text()) === "on";
  } catch {
    return false;
  }
}

if (supported) {
  const registration = await navigator.serviceWorker.register(form.dataset.worker, { scope: "/account/" });
  const current = await registration.pushManager.getSubscription();
  // One that was made with another key of ours is none of today's.
  const own = current && text(current.options?.applicationServerKey) === form.dataset.push ? current : null;
  const isDenied = Notification.permission === "denied";
  const mine = own && !isDenied && (await isKnown(own)) ? own : null;
  say(isDenied ? "denied" : mine ? "on" : "off");
  form.closest("section").hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (mine) {
      await mine.unsubscribe();
      send("off", mine);
      return;
    }
    if ((await Notification.requestPermission()) !== "granted") {
      say("denied");
      return;
    }
    try {
      await current?.unsubscribe();
      const made = await registration.pushManager.subscribe({
        userVisibleOnly: true,
        applicationServerKey: bytes(form.dataset.push),
      });
      send("on", made);
    } catch {
      say("failed");
    }
  });
}
