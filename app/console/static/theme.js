// Before anything is drawn: the theme that was chosen, or else the one of the machine.
(function () {
    "use strict";

    const chosen = localStorage.getItem("console-theme");
    const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.setAttribute("data-bs-theme", chosen || (dark ? "dark" : "light"));
})();
