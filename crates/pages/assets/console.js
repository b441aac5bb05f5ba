// The console works without this module. With it, links and filters change the page in place, as htmx
// does it, and the keyboard moves through a list.

// An answer that is not a page of the console (signed out meanwhile, no permission, a failure) replaces
// the whole page; only links and filters come this way, so asking again changes nothing.
document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers.Accept = "text/html";
});
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { xhr } = event.detail;
  const address = new URL(xhr.responseURL, location.href);
  if (xhr.status >= 400 || !address.pathname.startsWith("/admin")) {
    event.preventDefault();
    location.assign(address);
  }
});

const typing = () => document.activeElement?.matches("input, select, textarea, [contenteditable]") ?? false;

// `/` goes to the search, `j` and `k` to the next and the previous row, `x` ticks the row.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing() && !document.activeElement.matches(".box")) return;
  const rows = [...document.querySelectorAll("table.people tbody tr")];
  const here = rows.indexOf(document.activeElement?.closest("tr"));
  const go = (row) => row?.querySelector("th a")?.focus();
  switch (event.key) {
    case "/": {
      const search = document.querySelector("#q, .rail input[type=search]");
      if (!search) return;
      search.focus();
      break;
    }
    case "j":
      go(rows[Math.min(here + 1, rows.length - 1)]);
      break;
    case "k":
      go(rows[Math.max(here - 1, 0)]);
      break;
    case "x":
      rows[here]?.querySelector("input.box")?.click();
      return;
    default:
      return;
  }
  if (rows.length > 0 || event.key === "/") event.preventDefault();
});

// A question is a page of its own; here it opens over the page that it was asked on.
document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  try {
    const answer = await fetch(link.href, { headers: { Accept: "text/html" }, redirect: "error" });
    const asked = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#question");
    if (!answer.ok || !asked) throw new Error("no question");
    const dialog = document.createElement("dialog");
    dialog.className = "dialog";
    dialog.setAttribute("aria-labelledby", "h-q");
    dialog.append(...document.importNode(asked, true).children);
    dialog.querySelector(`a[href="${new URL(location.href).pathname}"], .panel-foot a`)?.addEventListener("click", (back) => {
      back.preventDefault();
      dialog.close();
    });
    dialog.addEventListener("close", () => dialog.remove());
    document.querySelector("#main").append(dialog);
    dialog.showModal();
  } catch {
    location.assign(link.href);
  }
});

// The box above the list ticks all boxes of the page; without this module it is not there.
const selectAll = () => {
  for (const label of document.querySelectorAll("[data-select-all]")) {
    label.hidden = false;
    label.querySelector("input").onchange = (event) => {
      for (const box of label.closest("table").querySelectorAll("tbody .box")) box.checked = event.target.checked;
    };
  }
};
selectAll();
document.addEventListener("htmx:afterSettle", selectAll);

// A job's page is told when there is something new to show, and asks for itself; where it cannot be told, it asks
// every two seconds.
let told;
let asking = false;
let again = false;
const renew = async () => {
  const panel = document.querySelector("#job[data-events]");
  again = asking;
  if (!panel || asking) return;
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#job");
    // Signed out meanwhile, or it is not theirs any more: the whole page says so.
    if (!fresh) return location.reload();
    const parts = fresh.querySelectorAll("[data-live]");
    // While it goes on, the buttons stay as they are: somebody may be about to press one.
    if (fresh.dataset.events) {
      panel.querySelectorAll("[data-live]").forEach((part, at) => {
        if (part.innerHTML !== parts[at].innerHTML) part.replaceChildren(...document.importNode(parts[at], true).childNodes);
        if (parts[at].dataset.tone) part.dataset.tone = parts[at].dataset.tone;
      });
    } else {
      panel.replaceWith(document.importNode(fresh, true));
      told?.close();
    }
  } catch {
    // Nobody is there: the next time that something is told, it is asked again.
  } finally {
    asking = false;
    if (again) renew();
  }
};
const follow = () => {
  told?.close();
  const panel = document.querySelector("#job[data-events]");
  if (!panel) return;
  told = new EventSource(panel.dataset.events);
  told.addEventListener("progress", renew);
  told.addEventListener("ended", renew);
  told.addEventListener("error", () => {
    if (told.readyState !== EventSource.CLOSED) return;
    const every = setInterval(() => (document.querySelector("#job[data-events]") ? renew() : clearInterval(every)), 2000);
  });
};
follow();
document.addEventListener("htmx:afterSettle", follow);
