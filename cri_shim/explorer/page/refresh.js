// Draw something again soon after each change, however often changes come. A drawing waits for the one before, so that an older
// answer cannot replace a newer one; but not for ever, in case an answer never comes.

const LONGEST = 10_000; // milliseconds that a drawing waits for the one before

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
