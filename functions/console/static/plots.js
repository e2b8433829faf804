// Charts: the value under the pointer in words, and times in the viewer's zone. Forms: busy while sent.
"use strict";

(() => {
  const styles = {
    second: { hourCycle: "h23", hour: "2-digit", minute: "2-digit", second: "2-digit" },
    minute: { hourCycle: "h23", hour: "2-digit", minute: "2-digit" },
    day: { day: "numeric", month: "short" },
  };
  const stamps = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g;
  const local = (words) => words.replace(stamps, (stamp) =>
    new Date(stamp.replace(/(\.\d{3})\d+/, "$1")).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }));

  function prepare(root) {
    for (const one of root.querySelectorAll(".plot text[data-time]")) {
      one.textContent = new Date(one.dataset.time).toLocaleString(undefined, styles[one.dataset.style]);
    }
    for (const one of root.querySelectorAll(".plot [data-tip] > title")) one.textContent = local(one.textContent);
  }

  document.addEventListener("pointerover", (event) => {
    const shape = event.target.closest?.(".plot [data-tip]");
    if (!shape) return;
    const line = shape.closest(".plot").querySelector(".plot-tip");
    line.textContent = local(shape.dataset.tip);
  });

  document.addEventListener("submit", (event) => {
    const words = event.target.dataset.busy;
    const button = words && event.target.querySelector("button[type=submit]");
    if (!button) return;
    button.textContent = words;
    setTimeout(() => { button.disabled = true; });
  });

  document.addEventListener("htmx:load", (event) => prepare(event.target));
  prepare(document);
})();
