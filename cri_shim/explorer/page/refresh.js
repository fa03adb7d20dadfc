// Draw something again soon after each change, however often changes come: never twice at the same time, so that an older answer
// cannot replace a newer one, and never put off for ever.

const LONGEST = 10_000; // milliseconds after which an answer is no longer waited for

/** Return a function that has `work` done within so many milliseconds, or as long after what is under way has ended. */
export function refresher(work) {
  let timer = 0;
  let due = Infinity; // when the timer ends
  let working = false;
  let wanted = Infinity; // after how long it is to be done once more
  const run = async () => {
    timer = 0;
    due = Infinity;
    working = true;
    let limit = 0;
    try {
      await Promise.race([work(), new Promise((over) => (limit = setTimeout(over, LONGEST)))]);
    } finally {
      clearTimeout(limit);
      working = false;
      const after = wanted;
      wanted = Infinity;
      if (after < Infinity) soon(after);
    }
  };
  const soon = (after) => {
    if (working) {
      wanted = Math.min(wanted, after);
      return;
    }
    const at = performance.now() + after;
    if (at >= due) return;
    clearTimeout(timer);
    due = at;
    timer = setTimeout(run, after);
  };
  return soon;
}
