"use strict";

// Swagger UI has dark colours for this class, and no script that sets it by itself.
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();

// The path of an operation is a link within the button that opens it; the button is enough.
const withoutLinks = () => ({
  wrapComponents: {
    DeepLink: (original, { React }) => ({ text }) => React.createElement("span", null, text),
  },
});

// Settings of Swagger UI, for SWAGGER_UI_SETTINGS.
const operationsSettings = {
  deepLinking: true,
  defaultModelsExpandDepth: -1,
  plugins: [withoutLinks],
  syntaxHighlight: { theme: "monokai" },
  tryItOutEnabled: true,
  validatorUrl: null,
};

// Swagger UI leaves these without names or roles, and skips a level of headings.
const complete = (root) => {
  const name = (selector, text) => {
    for (const each of root.querySelectorAll(selector)) {
      const operation = each.closest(".opblock").querySelector("[data-path]").dataset.path;
      each.setAttribute("aria-label", `${text} of ${operation}`);
    }
  };
  name(".examples-select-element", "Example");
  name(".body-param__text", "Body");
  name(".responses-table", "Documented answers");
  name(".live-responses-table", "Answer");
  for (const each of root.querySelectorAll(".information-container")) {
    each.setAttribute("role", "region");
    each.setAttribute("aria-label", "About this document");
  }
  // They scroll on narrow screens.
  for (const each of root.querySelectorAll("pre.microlight")) each.tabIndex = 0;
  for (const heading of root.querySelectorAll("h3, h4, h5")) {
    heading.setAttribute("aria-level", Number(heading.tagName[1]) - 1);
  }
};

addEventListener("DOMContentLoaded", () => {
  const root = document.getElementById("swagger-ui");
  new MutationObserver(() => complete(root)).observe(root, { childList: true, subtree: true });
  complete(root);
});
