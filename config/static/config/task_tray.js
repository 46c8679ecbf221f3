// Task tray: shows background work, and asks for its progress while something is running.
"use strict";

(() => {
  const POLL_MILLISECONDS = 3000;
  const tray = document.getElementById("task-tray");
  if (!tray) {
    return;
  }
  const button = tray.querySelector("button");
  const panel = document.getElementById("task-tray-panel");
  const list = panel.querySelector("ul");
  const empty = panel.querySelector("p");
  const badge = tray.querySelector("[data-count]");
  const status = tray.querySelector("[role=status]");
  let timer = null;

  const element = (name, className, text) => {
    const node = document.createElement(name);
    node.className = className;
    if (text) {
      node.textContent = text;
    }
    return node;
  };

  const taskItem = (task) => {
    const item = element("li", "task-tray-item");
    const link = element("a", "text-primary-600 underline dark:text-primary-400", task.title);
    link.href = task.url;
    const color = task.has_failed ? "text-red-700 dark:text-red-400" : "";
    item.append(link, element("span", color, task.state));
    if (task.is_running && task.total) {
      const bar = element("progress", "");
      bar.setAttribute("aria-label", task.title);
      bar.max = task.total;
      bar.value = Math.min(task.done, task.total);
      item.append(bar);
    }
    return item;
  };

  const show = (content) => {
    // A link that has the focus keeps it, so that the list can be read by keyboard while it changes.
    const focused = document.activeElement && list.contains(document.activeElement)
      ? document.activeElement.getAttribute("href")
      : null;
    list.replaceChildren(...content.tasks.map(taskItem));
    if (focused) {
      const link = [...list.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused);
      (link || button).focus();
    }
    empty.hidden = content.tasks.length > 0;
    badge.textContent = content.running || "";
    badge.hidden = !content.running;
    const text = content.running
      ? tray.dataset.running.replace("#", content.running)
      : tray.dataset.idle;
    if (status.textContent !== text) {
      status.textContent = text;
    }
  };

  const refresh = async () => {
    window.clearTimeout(timer);
    let running = 0;
    try {
      const response = await fetch(tray.dataset.url, { headers: { Accept: "application/json" } });
      const type = response.headers.get("Content-Type") || "";
      if (!response.ok || !type.startsWith("application/json")) {
        return; // the session has ended
      }
      const content = await response.json();
      running = content.running;
      show(content);
    } catch (error) {
      if (!(error instanceof TypeError)) {
        throw error;
      }
      running = 1; // no connection: try again
    }
    if (running && !document.hidden) {
      timer = window.setTimeout(refresh, POLL_MILLISECONDS);
    }
  };

  const toggle = (isOpen) => {
    panel.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) {
      refresh();
    }
  };

  button.addEventListener("click", () => toggle(panel.hidden));
  tray.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !panel.hidden) {
      toggle(false);
      button.focus();
    }
  });
  document.addEventListener("click", (event) => {
    if (!panel.hidden && !tray.contains(event.target)) {
      toggle(false);
    }
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      refresh();
    }
  });
  refresh();
})();
