// The address of the page: `#/VIEW/ARGUMENT?name=value`. What the reader has chosen is in it, so that reload, Back and a copied link work.

/** Return the parts of an address; `query` is a URLSearchParams. */
export function parsed(hash = location.hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view = "", argument = ""] = path.split("/");
  return { view, argument, query: new URLSearchParams(query) };
}

/** Return an address; `query` is an object or a URLSearchParams, and its empty values are left out. */
export function addressOf(view, argument = "", query = {}) {
  const entries = query instanceof URLSearchParams ? [...query] : Object.entries(query);
  const text = new URLSearchParams(entries.filter(([, value]) => value !== "" && value !== null && value !== undefined && value !== false)).toString();
  return `#/${view}${argument === "" ? "" : `/${argument}`}${text ? `?${text}` : ""}`;
}

const changed = new EventTarget();

/** Go to an address; with `replace` the present one is not kept for Back. */
export function go(address, { replace = false } = {}) {
  if (address === location.hash) return;
  if (!replace) {
    location.hash = address;
    return;
  }
  history.replaceState(null, "", address);
  changed.dispatchEvent(new Event("change"));
}

/** Call `listener` whenever the address has changed, by a link, by Back or by `go`. */
export function onAddress(listener) {
  changed.addEventListener("change", listener);
  window.addEventListener("hashchange", listener);
}
