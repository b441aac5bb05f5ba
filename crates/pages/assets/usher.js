// Pages work without this module; with it, a password can be looked at while it is typed.
for (const button of document.querySelectorAll("[data-show-password]")) {
  const input = button.parentElement.querySelector("input");
  const picture = button.querySelector("use");
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
    button.setAttribute("aria-label", shown ? "Hide password" : "Show password");
    picture.setAttribute("href", shown ? button.dataset.eyeOff : button.dataset.eye);
  });
}
