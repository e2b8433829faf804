// What every page shares: times in the viewer's zone, theme, dialogs, toasts, CSRF, keys to go around.
"use strict";

const whetstone = (window.whetstone = {
  csrf: document.querySelector('meta[name="csrf"]').content,

  /** Sends a form to an action of ours; resolves to the response, also one that tells a problem. */
  post(path, fields, options = {}) {
    const body = fields instanceof URLSearchParams ? fields : new URLSearchParams(fields);
    const headers = { "X-CSRF-Token": this.csrf, "HX-Request": "true", "Content-Type": "application/x-www-form-urlencoded" };
    return fetch(path, { method: "POST", headers, body: body.toString(), ...options }).then((answer) => {
      if (answer.status === 401) location.assign("/sign-in");
      return answer;
    });
  },

  get(path) {
    return fetch(path, { headers: { "HX-Request": "true" } }).then((answer) => {
      if (answer.status === 401) location.assign("/sign-in");
      return answer;
    });
  },

  /** Shows a message for some seconds; `action` is {label, run}. Returns what takes it away. */
  toast(text, { tone = "", action = null, seconds = 6 } = {}) {
    const box = document.createElement("div");
    box.className = `toast ${tone}`;
    const words = document.createElement("span");
    words.textContent = text;
    box.append(words);
    const close = () => box.remove();
    if (action) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = action.label;
      button.addEventListener("click", () => { close(); action.run(); });
      box.append(button);
    }
    document.getElementById("toasts").append(box);
    setTimeout(close, seconds * 1000);
    return close;
  },

  /** Returns the words of a problem that an action answered with. */
  async problem(answer) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return (page.querySelector(".notice") || page.body).textContent.trim() || `The server answered ${answer.status}.`;
  },

  typing(event) {
    const at = event.target;
    return at.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(at.tagName);
  },

  localTimes(root = document) {
    for (const one of root.querySelectorAll("time[datetime]:not([data-done])")) {
      const moment = new Date(one.dateTime.replace(/(\.\d{3})\d+/, "$1"));
      if (Number.isNaN(moment.valueOf())) continue;
      const whole = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
      if (!("ago" in one.dataset)) one.textContent = whole;
      one.title = `${whole} (${Intl.DateTimeFormat().resolvedOptions().timeZone})`;
      one.dataset.done = "";
    }
  },
});

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRF-Token"] = whetstone.csrf;
});
document.addEventListener("htmx:load", (event) => whetstone.localTimes(event.target));
document.addEventListener("htmx:responseError", async (event) => {
  const page = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
  whetstone.toast((page.querySelector(".notice") || page.body).textContent.trim(), { tone: "poor" });
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener) document.getElementById(opener.dataset.open).showModal();
  if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
  const menu = document.querySelector("details.menu[open]");
  if (menu && !menu.contains(event.target)) menu.open = false;
});

document.getElementById("theme")?.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("whetstone-theme", root.dataset.theme);
});

// `g` and a letter go to an area, on every page.
let going = 0;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || whetstone.typing(event) || document.querySelector("dialog[open]")) return;
  if (event.key === "g") { going = Date.now(); return; }
  if (Date.now() - going < 1200) {
    const link = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
    going = 0;
    if (link) { event.preventDefault(); event.stopImmediatePropagation(); link.click(); }
  }
}, true);

whetstone.localTimes();
const here = document.querySelector(".areas [aria-current]"); // on narrow screens it may be out of sight
if (here) here.parentElement.scrollLeft = here.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;
