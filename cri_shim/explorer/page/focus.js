// Give the focus back after something was drawn anew, so that a reader with a keyboard stays where they are.

const CONTROLS = "a[href], button, summary, select, input, [tabindex]";

// By what a control is found again: what it says, or else where it leads. Both may have changed, but hardly at once.
const MARKS = [(one) => one.id || `${wordsOf(one)} in ${one.closest("tr")?.querySelector("th")?.textContent}`, (one) => one.getAttribute("href")];

/** Call this before `place` is drawn anew. It returns a function to call afterwards, which returns whether the focus was in there. */
export function keptFocus(place) {
  const focused = document.activeElement;
  if (focused === place || !place.contains(focused)) return () => false;
  const ways = MARKS.map((mark) => {
    const alike = () => [...place.querySelectorAll(CONTROLS)].filter((one) => mark(one) === what);
    const what = mark(focused);
    const number = alike().indexOf(focused);
    return () => what !== null && (alike()[number] ?? alike()[0]);
  });
  return () => {
    if (document.activeElement !== document.body) return true; // the reader has gone on meanwhile
    for (const way of ways) {
      const control = way();
      if (control) {
        control.focus({ preventScroll: true });
        break;
      }
    }
    return true;
  };
}

function wordsOf(one) {
  return one.getAttribute("aria-label") ?? one.textContent;
}
