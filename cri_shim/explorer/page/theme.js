// Light or dark: the system's preference, unless the reader has chosen otherwise.

const KEY = "cri-shim-theme";
const ORDER = ["auto", "light", "dark"];

export function initTheme(button) {
  let theme = ORDER.includes(read()) ? read() : "auto";
  const apply = () => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  button.addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // The browser stores nothing, so the choice holds until the page is left.
    }
    apply();
  });
  apply();
}

function read() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
