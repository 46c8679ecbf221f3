// Keys of the match queues: a key presses the button that names it in data-key.
"use strict";

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || event.repeat) {
    return;
  }
  const key = event.key.toLowerCase();
  if (!/^[a-z]$/.test(key)) {
    return;
  }
  const button = document.querySelector(`#verdicts button[data-key="${key}"]`);
  if (button) {
    event.preventDefault();
    button.click();
  }
});
