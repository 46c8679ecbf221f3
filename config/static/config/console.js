// Accessibility of the theme and of Django's admin: names of fields that screen readers would
// announce as "edit", and tabs that are reached by the keyboard.
(function () {
  const UNNAMED =
    "input:not([type=hidden]):not([aria-label]):not([aria-labelledby]), select:not([aria-label]), textarea:not([aria-label])";

  function textOf(element) {
    return element ? element.textContent.replace(/\s+/g, " ").replace(/[*:]\s*$/, "").trim() : "";
  }

  // The search field that select2 puts beside or below a select.
  function nameOfSelect(search) {
    const container = search.closest(".select2-container");
    const select = container && container.previousElementSibling;
    if (select && select.id) {
      return textOf(document.querySelector(`label[for="${select.id}"]`));
    }
    const results = search.getAttribute("aria-controls") || "";
    const id = results.replace(/^select2-/, "").replace(/-results$/, "");
    return textOf(document.querySelector(`label[for="${id}"]`));
  }

  // A field in a table has the heading of its column and the first text of its row.
  function nameInTable(field) {
    const cell = field.closest("td");
    const table = field.closest("table");
    if (!cell || !table || !table.tHead) {
      return "";
    }
    return textOf(table.tHead.rows[0].cells[cell.cellIndex]);
  }

  function nameFields() {
    for (const search of document.querySelectorAll(".select2-search__field:not([aria-label])")) {
      search.setAttribute("aria-label", nameOfSelect(search) || search.placeholder || "…");
    }
    for (const field of document.querySelectorAll(`table :is(${UNNAMED})`)) {
      const name = field.labels && field.labels.length ? "" : nameInTable(field);
      if (name) {
        field.setAttribute("aria-label", name);
      }
    }
    for (const icon of document.querySelectorAll("span.help-tooltip[aria-label]:not([role])")) {
      icon.setAttribute("role", "img");
    }
    for (const tab of document.querySelectorAll("nav a:not([href], [role])")) {
      tab.setAttribute("role", "button");
      tab.tabIndex = 0;
    }
  }

  document.addEventListener("keydown", function (event) {
    if (event.target.matches("a[role=button]:not([href])") && ["Enter", " "].includes(event.key)) {
      event.preventDefault();
      event.target.click();
    }
  });

  document.addEventListener("DOMContentLoaded", function () {
    nameFields();
    new MutationObserver(nameFields).observe(document.body, { childList: true, subtree: true });
  });
})();
