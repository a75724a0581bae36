// A draft saves itself: a second after the last key, and before anything leaves the page. Without this script the
// button "Save draft" does the same. Nothing is kept in the browser.
"use strict";
(() => {
  const form = document.getElementById("draft");
  const line = document.getElementById("autosave");
  if (!form || !line) return;
  const QUIET = 1500; // milliseconds without a key
  const AGAIN = 15000; // after a failure
  const said = form.dataset;
  let kept = text();
  let timer = 0;
  let saving = false;
  let stopped = false;

  function text() {
    const fields = new FormData(form);
    fields.delete("version");
    return new URLSearchParams(fields).toString();
  }

  function later(wait) {
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(() => save(), wait);
  }

  // What is sent while the page goes away is cut off, unless the browser is told to keep it alive.
  async function save(leaving = false) {
    const now = text();
    if (saving || stopped || now === kept) return;
    saving = true;
    const fields = new FormData(form);
    fields.append("draft", said.draft);
    try {
      const answer = await fetch(said.autosave, {
        method: "POST",
        headers: { Accept: "application/json" },
        body: new URLSearchParams(fields),
        credentials: "same-origin",
        keepalive: leaving,
      });
      if (answer.status === 401 || answer.status === 403) {
        line.textContent = said.away;
        later(AGAIN);
      } else if (answer.status === 409) {
        line.textContent = said.late;
        stopped = true;
      } else if (answer.ok) {
        const draft = await answer.json();
        kept = now;
        form.elements.version.value = draft.version;
        if (said.draft !== draft.draft) {
          said.draft = draft.draft;
          form.action = `/lessons/${draft.draft}`;
          history.replaceState(null, "", form.action);
        }
        line.textContent = said.saved.replace("TIME", draft.saved);
      } else {
        line.textContent = said.failed;
        later(AGAIN);
      }
    } catch {
      line.textContent = said.failed;
      later(AGAIN);
    } finally {
      saving = false;
    }
    if (text() !== now) later(QUIET);
  }

  function count(area) {
    const words = area.value.split(/\s+/).filter(Boolean).length;
    const place = document.getElementById(`${area.id}-count`);
    place.querySelector(".number").textContent = words;
    place.classList.toggle("over", words > Number(area.dataset.words));
  }

  form.addEventListener("input", (event) => {
    if (event.target.dataset.words) count(event.target);
    if (!stopped) line.textContent = said.unsaved;
    later(QUIET);
  });
  form.addEventListener("change", () => later(QUIET));
  form.addEventListener("submit", () => clearTimeout(timer));
  window.addEventListener("pagehide", () => {
    if (!saving && !stopped && text() !== kept) save(true);
  });
})();
