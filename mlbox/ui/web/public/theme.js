// Runs before the first paint, so that a chosen theme does not flash in the other one.
(function () {
  try {
    var chosen = localStorage.getItem("mlbox.theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch (error) {
    // Storage may be forbidden; the system's theme is used then.
  }
})();
