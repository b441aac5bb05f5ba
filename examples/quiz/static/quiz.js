// The page's whole behaviour. Tokens live in variables of this module: no cookie and no storage has them, so closing
// the page signs you out, and no other page can take them.

const $ = (id) => document.getElementById(id);

let accessToken = "";
let refreshToken = "";
let asked = null;
let following = null;

// ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What went wrong, with a problem document if there was one. Status 0: nobody answered. */
class Refusal extends Error {
  constructor(status, problem = {}, wait = 0) {
    super(problem.detail ?? "");
    Object.assign(this, { status, problem, wait });
  }
}

async function post(path, body, token) {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { method: "POST", headers, body: body && JSON.stringify(body), credentials: "omit" });
  } catch {
    throw new Refusal(0);
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(response.status, answer, Number(response.headers.get("Retry-After")));
  return answer;
}

function keep(signedIn) {
  accessToken = signedIn.access_token;
  refreshToken = signedIn.refresh_token;
}

/** A call of the quiz. A token that is refused is exchanged once: it may only have run out. */
async function call(path, body) {
  try {
    return await post(path, body, accessToken);
  } catch (refusal) {
    if (refusal.status !== 401) throw refusal;
  }
  keep(await post("/api/v1/auth/refresh", { refresh_token: refreshToken }));
  return post(path, body, accessToken);
}

// ── one section at a time ───────────────────────────────────────────────────────────────────────────────────────────

function show(id, heading) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== id;
  $("sign-out").hidden = id !== "play" && id !== "result";
  document.title = `${$(heading).textContent} · The doorkeeper’s quiz`;
  // A screen reader reads on from here, and the Tab key goes on from here.
  $(heading).focus();
}

function tell(place, text) {
  $(place).textContent = text;
  $(place).hidden = text === "";
}

/** What to say when a call failed and trying again may help. */
function words(refusal) {
  if (refusal.status === 429) return `That was quick. Wait ${refusal.wait || "a few"} seconds, then go on.`;
  if (refusal.status === 409) return "This round is open in another window, or the quiz was restarted. Begin a new one.";
  if (refusal.status >= 500 || refusal.status === 0) return "Nobody answers just now. Nothing was counted: try again in a moment.";
  return refusal.message || "That did not work.";
}

/** While playing: 401 means that even the exchange of tokens was refused. */
function failed(refusal) {
  if (!(refusal instanceof Refusal)) throw refusal;
  if (refusal.status === 401 || refusal.status === 403) {
    accessToken = refreshToken = "";
    show("ended", "ended-title");
  } else if (refusal.status === 409) {
    tell("play-problem", words(refusal));
    following = begin;
    offer("Begin a new round");
  } else {
    tell("play-problem", words(refusal));
  }
}

// ── the door ────────────────────────────────────────────────────────────────────────────────────────────────────────

let isNew = false;

function door() {
  tell("door-problem", "");
  tell("email-error", "");
  tell("password-error", "");
  $("door-title").textContent = isNew ? "Create an account" : "Sign in to play";
  $("door-other").textContent = isNew ? "Already have one?" : "New here?";
  $("door-switch").textContent = isNew ? "Sign in" : "Create an account";
  $("door-submit").textContent = isNew ? "Create account and play" : "Sign in";
  $("password").autocomplete = isNew ? "new-password" : "current-password";
  $("password-hint").hidden = !isNew;
  describe();
  show("door", "door-title");
}

/** Says of each field which hint and which error belong to it. */
function describe() {
  for (const name of ["email", "password"]) {
    const notes = [`${name}-hint`, `${name}-error`].filter((id) => $(id) && !$(id).hidden);
    $(name).setAttribute("aria-describedby", notes.join(" "));
    $(name).setAttribute("aria-invalid", String(!$(`${name}-error`).hidden));
  }
}

function wrongFields(errors) {
  for (const { field, message } of errors) if ($(`${field}-error`)) tell(`${field}-error`, message);
  describe();
  document.querySelector("#door [aria-invalid=true]")?.focus();
}

function missingFields() {
  const errors = [];
  if (!$("email").validity.valid) errors.push({ field: "email", message: "Enter your email address, like ann@example.com." });
  if (!$("password").value) errors.push({ field: "password", message: "Enter your password." });
  return errors;
}

async function enter(event) {
  event.preventDefault();
  for (const id of ["door-problem", "email-error", "password-error"]) tell(id, "");
  const missing = missingFields();
  wrongFields(missing);
  if (missing.length > 0) return;
  const credentials = { email: $("email").value, password: $("password").value };
  await busily(event.submitter ?? $("door-form").querySelector("button"), async () => {
    try {
      keep(await post(`/api/v1/auth/${isNew ? "register" : "login"}`, credentials));
    } catch (refusal) {
      notLetIn(refusal);
      return;
    }
    $("player").textContent = credentials.email;
    $("password").value = "";
    await begin();
  });
}

function notLetIn(refusal) {
  const code = refusal.problem?.code;
  const errors = refusal.problem?.errors ?? [];
  if (errors.some(({ field }) => $(`${field}-error`))) wrongFields(errors);
  else if (code === "email_taken") tell("door-problem", "There is an account with this email already. Sign in instead.");
  else if (code === "weak_password") wrongFields([{ field: "password", message: refusal.message }]);
  else if (refusal.status === 401) tell("door-problem", "This email and password do not open an account here.");
  else tell("door-problem", words(refusal));
}

async function signOut() {
  // Even if nobody hears it: without its tokens this page is signed out.
  post("/api/v1/auth/logout", undefined, accessToken).catch(() => {});
  accessToken = refreshToken = "";
  isNew = false;
  door();
}

// ── the questions ───────────────────────────────────────────────────────────────────────────────────────────────────

async function begin() {
  try {
    ask(await call("api/rounds"), 0);
  } catch (refusal) {
    if ($("play").hidden && refusal.status !== 401 && refusal.status !== 403) tell("door-problem", words(refusal));
    else failed(refusal);
  }
}

function ask(question, score) {
  asked = question;
  tell("play-problem", "");
  $("verdict").replaceChildren();
  $("next").hidden = true;
  $("seat").textContent = question.number + 1;
  $("place").textContent = `Question ${question.number + 1} of ${question.of}`;
  $("way").value = question.number;
  $("tally").textContent = score;
  $("question").textContent = question.text;
  $("choices").replaceChildren(...question.choices.map(choice));
  show("play", "question");
}

function choice(text, index) {
  const button = document.createElement("button");
  button.className = "choice";
  button.type = "button";
  button.textContent = text;
  button.addEventListener("click", () => give(index, button));
  const item = document.createElement("li");
  item.append(button);
  return item;
}

async function give(index, button) {
  tell("play-problem", "");
  await busily(button, async () => {
    try {
      judge(await call("api/answers", { number: asked.number, choice: index }), index);
    } catch (refusal) {
      failed(refusal);
    }
  });
}

function judge(judged, given) {
  const buttons = [...$("choices").querySelectorAll("button")];
  for (const [index, button] of buttons.entries()) {
    button.disabled = true;
    if (index === judged.right) mark(button, "ok", "Right");
    else if (index === given) mark(button, "danger", "Your answer");
  }
  const verdict = document.createElement("b");
  verdict.textContent = judged.correct ? "Right." : "Not this time.";
  const why = document.createElement("span");
  why.textContent = ` ${judged.why}`;
  $("verdict").replaceChildren(verdict, why);
  $("tally").textContent = judged.score;
  $("way").value = asked.number + 1;
  following = judged.next ? () => ask(judged.next, judged.score) : () => finish(judged.score, asked.of);
  offer(judged.next ? "Next question" : "See the result");
}

/** Says in words, too, which answer it was: colours alone say nothing to many. */
function mark(button, tone, text) {
  const tag = document.createElement("span");
  tag.className = "mark-word";
  tag.textContent = text;
  button.dataset.tone = tone;
  button.append(tag);
}

function offer(text) {
  $("next").textContent = text;
  $("next").hidden = false;
  $("next").focus();
}

function finish(score, of) {
  $("result-title").textContent = `${score} of ${of} right`;
  $("result-words").textContent =
    score === of ? "Nobody gets past you." : score > of / 2 ? "You could keep this door." : "The door was open all the same.";
  show("result", "result-title");
}

/** One press is one call. */
async function busily(button, work) {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    button.removeAttribute("aria-busy");
  }
}

// ── how fresh the quiz's own knowledge is ───────────────────────────────────────────────────────────────────────────

async function pulse() {
  if (document.hidden) return;
  const answer = await fetch("pulse").then((response) => response.json()).catch(() => ({}));
  const seconds = answer.heard_seconds_ago;
  const isFresh = typeof seconds === "number" && seconds < 15;
  $("pulse").dataset.tone = isFresh ? "ok" : "warn";
  $("heard").textContent =
    typeof seconds !== "number" ? "Not heard from Usher yet"
    : isFresh ? "In touch with Usher"
    : `Usher is away: last heard ${Math.round(seconds)} s ago. Play on.`;
}

// ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

$("door-form").addEventListener("submit", enter);
$("door-switch").addEventListener("click", () => { isNew = !isNew; door(); });
$("sign-out").addEventListener("click", signOut);
$("next").addEventListener("click", () => following());
$("again").addEventListener("click", (event) => busily(event.currentTarget, begin));
$("back").addEventListener("click", () => { isNew = false; door(); });
door();
pulse();
setInterval(pulse, 3000);
