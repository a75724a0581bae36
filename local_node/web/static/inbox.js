// Reading a page never writes, so what was opened is marked by its own form, which this sends. Without this script the
// form is a button.
for (const form of document.querySelectorAll("form[data-when-open]")) {
  fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" })
    .then(() => { form.hidden = true; })
    .catch(() => {});
}
for (const button of document.querySelectorAll("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
