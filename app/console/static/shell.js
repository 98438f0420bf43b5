// What every page has: the switch between light and dark. Without scripts everything else works as well.
(function () {
    "use strict";

    document.querySelectorAll('[data-console="theme"]').forEach((button) => {
        button.addEventListener("click", () => {
            const root = document.documentElement;
            const theme = root.getAttribute("data-bs-theme") === "dark" ? "light" : "dark";
            root.setAttribute("data-bs-theme", theme);
            localStorage.setItem("console-theme", theme);
        });
    });

    // ApexCharts puts a style sheet into the page, which the page's policy lets in by this.
    window.Apex = { chart: { nonce: document.body.dataset.cspNonce } };
})();
