// An enhancement of the form of a return; without it every button asks the server.
"use strict";

// "n", "x" and "z" in a number field tick the box beside it, and the box writes "n".
for (const box of document.querySelectorAll(".return-table td.none input")) {
  const field = box.closest("tr").querySelector("input[type=text]");
  field.addEventListener("input", () => {
    box.checked = ["n", "x", "z"].includes(field.value.trim().toLowerCase());
  });
  box.addEventListener("change", () => {
    if (box.checked) field.value = "n";
    else if (field.value === "n") field.value = "";
  });
}

// The arrow keys go to the field above and below, as in a spreadsheet.
document.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !event.target.matches(".return-table input[type=text]")) return;
  const fields = [...document.querySelectorAll(".return-table input[type=text]")];
  const next = fields[fields.indexOf(event.target) + step];
  if (next) {
    event.preventDefault();
    next.focus();
    next.select();
  }
});

// "All the rest is zero" fills the empty fields on the spot; "nothing was collected" does the same with "n".
const fill = (table, text) => {
  for (const field of table.querySelectorAll("input[type=text]")) {
    if (text === "n" || field.value.trim() === "") field.value = text;
    field.dispatchEvent(new Event("input"));
  }
};
for (const button of document.querySelectorAll(".return-table button[name=zero]")) {
  button.addEventListener("click", (event) => {
    event.preventDefault();
    fill(button.closest(".return-table"), "0");
  });
}
for (const box of document.querySelectorAll(".return-table input[name^='none.']")) {
  box.addEventListener("change", () => {
    if (box.checked) fill(box.closest(".return-table"), "n");
  });
}
