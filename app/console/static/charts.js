// Draws what `charts.html` wrote into the page, in the colours of the page.
(function () {
    "use strict";

    function isDark() {
        return document.documentElement.getAttribute("data-bs-theme") === "dark";
    }

    function build(element) {
        const options = JSON.parse(element.dataset.options || "{}");
        const text = getComputedStyle(document.body).color;
        const merged = {
            ...options,
            series: JSON.parse(element.dataset.series),
            theme: { mode: isDark() ? "dark" : "light" },
            chart: {
                type: "line",
                nonce: document.body.dataset.cspNonce,
                height: Number(element.dataset.height),
                background: "transparent",
                animations: { enabled: false },
                toolbar: { show: false },
                zoom: { enabled: false },
                fontFamily: "inherit",
                foreColor: text,
                ...options.chart,
            },
            dataLabels: { enabled: false, ...options.dataLabels },
            grid: { strokeDashArray: 3, ...options.grid },
        };
        const chart = new ApexCharts(element, merged);
        chart.render();
        return chart;
    }

    let drawn = [];
    function drawAll() {
        drawn.forEach((chart) => chart.destroy());
        drawn = Array.from(document.querySelectorAll(".console-chart"), build);
    }

    drawAll();
    new MutationObserver(drawAll).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
})();
