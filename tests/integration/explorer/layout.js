// Run in the explorer page by appearance.py. Returns what is wrong with its layout, as sentences.
(targets) => {
  const wrong = [];
  const view = { left: 0, right: document.documentElement.clientWidth };
  const hidden = (element) => !element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const named = (element) => {
    const classes = [...element.classList].map((name) => `.${name}`).join("");
    return `${element.tagName.toLowerCase()}${element.id ? `#${element.id}` : ""}${classes} "${element.textContent.trim().slice(0, 50)}"`;
  };

  if (document.documentElement.scrollWidth > view.right) wrong.push(`the page is ${document.documentElement.scrollWidth} pixels wide`);

  // Where a text can be seen: what its scrolling ancestors leave of it. A text that is cut by one that does not scroll is wrong.
  const places = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || ["SCRIPT", "NOSCRIPT", "OPTION"].includes(element.tagName) || hidden(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const line of range.getClientRects()) {
      if (line.width < 1 || line.right < 0) continue; // such as the link that skips the head, until it has the focus
      let { top, bottom } = line;
      if (element.closest(".unseen")) continue; // for screen readers only
      for (let around = element; around && around !== document.body; around = around.parentElement) {
        const { overflowX, overflowY, clip } = getComputedStyle(around);
        if (overflowX === "visible" && overflowY === "visible") continue;
        if (around instanceof SVGElement || clip !== "auto") continue;
        const edge = around.getBoundingClientRect();
        if (line.top >= edge.bottom - 1 && !["auto", "scroll"].includes(overflowY)) { // nothing of it is seen, on purpose
          bottom = top;
          break;
        }
        if (line.right > edge.right + 1 || line.left < edge.left - 1) wrong.push(`cut at the side by ${named(around).slice(0, 60)}: ${named(element)}`);
        if (["auto", "scroll"].includes(overflowY)) [top, bottom] = [Math.max(top, edge.top), Math.min(bottom, edge.bottom)];
        else if (overflowY !== "visible" && line.bottom > edge.bottom + 3) wrong.push(`cut below: ${named(element)}`);
      }
      if (bottom > top && line.right > view.right + 1) wrong.push(`sticks out at the right: ${named(element)}`);
      if (bottom - top > 2) places.push({ element, left: line.left, right: line.right, top, bottom });
    }
  }

  // No text lies on another one.
  places.sort((one, other) => one.top - other.top);
  places.forEach((one, at) => {
    for (let next = at + 1; next < places.length && places[next].top < one.bottom - 4; next += 1) {
      const other = places[next];
      if (one.element === other.element || Math.min(one.right, other.right) - Math.max(one.left, other.left) < 2) continue;
      if (one.element.closest(".source, dialog") || other.element.closest(".source, dialog")) continue; // those lie on the page
      wrong.push(`${named(one.element)} lies on ${named(other.element)}`);
    }
  });

  // What is in a picture stays in it.
  for (const svg of document.querySelectorAll("svg")) {
    if (hidden(svg)) continue;
    const edge = svg.getBoundingClientRect();
    for (const text of svg.querySelectorAll("text")) {
      const box = text.getBoundingClientRect();
      if (box.width && (box.right > edge.right + 2 || box.left < edge.left - 2)) wrong.push(`sticks out of its picture: ${named(text)}`);
    }
  }

  for (const element of document.querySelectorAll(targets)) {
    if (hidden(element)) continue;
    const { width, height } = element.getBoundingClientRect();
    if (Math.min(width, height) < 43.5) wrong.push(`${Math.round(width)}×${Math.round(height)} pixels are too few for a finger: ${named(element)}`);
  }
  return [...new Set(wrong)];
}
