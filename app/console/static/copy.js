// A button with `data-copy` copies the value of the field of that id.
(function () {
    "use strict";

    document.querySelectorAll("[data-copy]").forEach((button) => {
        button.addEventListener("click", async () => {
            const field = document.getElementById(button.dataset.copy);
            field.select();
            try {
                await navigator.clipboard.writeText(field.value);
                button.textContent = "Copied";
            } catch {
                button.textContent = "Press Ctrl+C";
            }
        });
    });
})();
