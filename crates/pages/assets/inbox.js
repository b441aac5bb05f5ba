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
  const number = count?.querySelector("b");
  const said = unread > 99 ? "99+" : String(unread);
  const isNews = number?.textContent !== said;
  if (number) [count.hidden, number.textContent] = [unread === 0, said];
  return isNews;
};

let first = true;
const told = new EventSource("/inbox/events");
const heard = (event) => {
  const isNews = show(JSON.parse(event.data).unread);
  // The first one says what the page has said already, unless something came in between.
  if (!first || event.type === "notification" || isNews) renew();
  first = false;
};
told.addEventListener("notification", heard);
told.addEventListener("unread", heard);
// Whoever is told not to come again may be signed out: the page finds out.
told.addEventListener("error", () => told.readyState === EventSource.CLOSED && renew());
// A page that is kept for the way back listens to nothing meanwhile.
addEventListener("pagehide", () => told.close());
addEventListener("pageshow", (event) => event.persisted && location.reload());
