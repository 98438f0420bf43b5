// Follows what goes on by server-sent events. An element names the address in `data-events`; in it, what has
// `data-field` shows that field of an event, and a <progress> shows `done` of `of`. At the end the page is read anew.
(function () {
    "use strict";

    document.querySelectorAll("[data-events]").forEach((element) => {
        const source = new EventSource(element.dataset.events);
        const bar = element.querySelector("progress");

        function show(event) {
            const told = JSON.parse(event.data);
            element.querySelectorAll("[data-field]").forEach((place) => {
                const value = told[place.dataset.field];
                place.textContent = value === null || value === undefined ? "" : String(value);
            });
            if (bar && told.of) {
                bar.max = told.of;
                bar.value = told.done;
            }
        }

        source.addEventListener("progress", show);
        source.addEventListener("end", (event) => {
            show(event);
            source.close();
            window.location.reload();
        });
    });
})();
