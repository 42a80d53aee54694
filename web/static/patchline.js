// What pages do beyond links and forms. Everything works without it, but what says that it needs it.

// Ask before what cannot be taken back: <button data-ask="…">.
document.addEventListener("click", (event) => {
  const asking = event.target.closest("[data-ask]");
  if (asking && !window.confirm(asking.dataset.ask)) {
    event.preventDefault();
  }
});

// Copy what stands in another element: <button data-copy="ID">.
document.addEventListener("click", async (event) => {
  const copying = event.target.closest("[data-copy]");
  if (!copying) {
    return;
  }
  await navigator.clipboard.writeText(document.getElementById(copying.dataset.copy).textContent.trim());
  const said = copying.textContent;
  copying.textContent = "copied";
  window.setTimeout(() => { copying.textContent = said; }, 1500);
});
