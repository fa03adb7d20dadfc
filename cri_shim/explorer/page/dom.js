// Make elements in one expression. Nothing here parses HTML, so names of pods cannot become markup.

const SVG = "http://www.w3.org/2000/svg";

/** Return an HTML element. `properties`: class, data-…, aria-… and other attributes; functions are listeners (onclick). */
export function h(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function s(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Set left edge and width of an element in its track, in percent; as properties, since the page's policy forbids style="". */
export function placed(element, left, width) {
  element.style.left = `${left}%`;
  element.style.width = `${width}%`;
  return element;
}
