// The inbox works without this module. With it, the number of unread messages is that of now, and what is new shows
// up by itself.
const count = document.querySelector("#unread");
let asking = false;
let again = false;

// The page asks for itself, so that what is shown is made in one place.
const renew = async () => {
  const inbox = document.querySelector("#inbox[data-live]");
  again = asking;
  if (!inbox || asking) return;
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("#inbox");
    // Signed out meanwhile: the whole page says so.
    if (!fresh) return location.reload();
    if (inbox.innerHTML !== fresh.innerHTML) inbox.replaceChildren(...document.importNode(fresh, true).childNodes);
    document.title = page.title;
  } catch {
    // Nobody is there: the next time that something is told, it is asked again.
  } finally {
    asking = false;
    if (again) renew();
  }
};

const show = (unread) => {
  if (!count) return;
  count.hidden = unread === 0;
  count.querySelector("b").textContent = unread > 99 ? "99+" : String(unread);
};

let first = true;
const told = new EventSource("/inbox/events");
const heard = (event) => {
  show(JSON.parse(event.data).unread);
  // The first one says what the page has said already.
  if (!first || event.type === "notification") renew();
  first = false;
};
told.addEventListener("notification", heard);
told.addEventListener("unread", heard);
// A page that is kept for the way back listens to nothing meanwhile.
addEventListener("pagehide", () => told.close());
addEventListener("pageshow", (event) => event.persisted && location.reload());
