// Reading a page never writes, so what was opened is marked by its own form, which this sends. Without this script the
// form is a button.
for (const form of document.querySelectorAll("form[data-when-open]")) {
  const body = new URLSearchParams(new FormData(form));
  fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } })
    .then((answer) => { form.hidden = answer.ok; })
    .catch(() => {}); // the button is still there
}
for (const button of document.querySelectorAll("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
