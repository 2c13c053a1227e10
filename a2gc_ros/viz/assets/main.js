// Theme, keys, and the views, each made when it comes near the window.
function setTheme(theme) {
  root.dataset.theme = theme;
  const button = document.getElementById("theme");
  button.textContent = theme === "dark" ? "Light" : "Dark";
  button.setAttribute("aria-label", theme === "dark" ? "Use light colors" : "Use dark colors");
  readColours();
  for (const redraw of redraws) redraw();
}
document.getElementById("theme").addEventListener("click", () => setTheme(root.dataset.theme === "dark" ? "light" : "dark"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => setTheme(event.matches ? "dark" : "light"));
setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
if (data.aspect) root.style.setProperty("--aspect", String(data.aspect));

const help = document.getElementById("help");
document.getElementById("keys").addEventListener("click", () => help.showModal());
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const acts = {ArrowLeft: () => step(-1), ArrowRight: () => step(1), j: () => step(1), k: () => step(-1),
    t: () => document.getElementById("theme").click(), "?": () => help.open ? help.close() : help.showModal(),
    Escape: () => help.open ? help.close() : document.getElementById("viewer")?.classList.remove("open")};
  // In a strip or a table that scrolls the arrows scroll.
  if (!acts[event.key] || (event.key.startsWith("Arrow") && (!pairs.q.length || event.target.closest(".strip,.scroll,.plot,.queries")))) return;
  event.preventDefault();
  acts[event.key]();
});

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    watcher.unobserve(entry.target);
    const {view, number} = entry.target.dataset;
    entry.target.replaceChildren();
    views[view](entry.target, data.views[number]);
    entry.target.dataset.ready = "yes";
  }
}, {rootMargin: "400px"});
setUpViewer();
for (const host of document.querySelectorAll("[data-view]")) watcher.observe(host);
root.dataset.ready = "yes";
