// Before anything is painted: the look that the reader chose last time. Without a choice the system decides.
try {
  const chosen = localStorage.getItem("runnerkit-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // No storage here: the system decides.
}
