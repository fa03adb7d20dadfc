// Load the page once more if a part of it did not arrive. A browser on the node itself drops what is under way (ERR_NETWORK_CHANGED)
// when a pod's network interface comes or goes, which is just when this page is looked at. Loaded before everything else.

(() => {
  const KEY = "cri-shim-reloads";
  const MOST = 5;
  const store = (count) => {
    try {
      sessionStorage.setItem(KEY, String(count));
      return true;
    } catch {
      return false; // without a counter it might go on for ever
    }
  };
  const count = () => {
    try {
      return Number(sessionStorage.getItem(KEY));
    } catch {
      return MOST;
    }
  };
  document.addEventListener("error", ({ target }) => {
    if (!(target instanceof HTMLScriptElement || target instanceof HTMLLinkElement)) return;
    const before = count();
    if (before < MOST && store(before + 1)) setTimeout(() => location.reload(), 200 * 2 ** before);
  }, true);
  addEventListener("cri-shim-drawn", () => store(0));
})();
