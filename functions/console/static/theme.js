// Before the first paint: the theme that this browser's owner chose, else the system's.
(() => {
  const chosen = localStorage.getItem("whetstone-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
