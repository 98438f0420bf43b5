// Sends the file, tries it first, shows what would change, and then sends it once more to be imported.
(function () {
    "use strict";

    const form = document.getElementById("upload");
    const input = form.elements.file;
    const drop = document.getElementById("drop");
    const told = document.getElementById("told");
    const sent = document.getElementById("sent");
    const really = document.getElementById("import");
    const preview = document.getElementById("preview");

    function say(sentence, failed) {
        told.textContent = sentence;
        told.className = failed ? "text-danger" : "";
    }

    function token() {
        const found = document.cookie.split("; ").find((each) => each.startsWith("starlette_admin_csrftoken="));
        return found ? decodeURIComponent(found.split("=").slice(1).join("=")) : "";
    }

    function name() {
        const file = input.files[0];
        document.getElementById("file-name").textContent = file ? file.name : "Drop a file here, or press to choose one";
        really.disabled = true;
        preview.replaceChildren();
        say("");
    }

    ["dragenter", "dragover"].forEach((kind) => drop.addEventListener(kind, (event) => {
        event.preventDefault();
        drop.classList.add("is-over");
    }));
    ["dragleave", "drop"].forEach((kind) => drop.addEventListener(kind, () => drop.classList.remove("is-over")));
    drop.addEventListener("drop", (event) => {
        event.preventDefault();
        if (event.dataTransfer.files.length) {
            input.files = event.dataTransfer.files;
            name();
        }
    });
    input.addEventListener("change", name);

    // XMLHttpRequest, since fetch does not tell how much of a file is sent.
    function send(isTrial) {
        const body = new FormData(form);
        body.set("dry_run", isTrial ? "true" : "false");
        return new Promise((resolve, reject) => {
            const request = new XMLHttpRequest();
            request.open("POST", form.action);
            request.setRequestHeader("X-CSRFToken", token());
            request.responseType = "json";
            request.upload.addEventListener("progress", (event) => {
                if (event.lengthComputable) {
                    sent.max = event.total;
                    sent.value = event.loaded;
                }
            });
            request.addEventListener("load", () => {
                if (request.status === 202 && request.response) {
                    resolve(request.response);
                } else {
                    const detail = request.response && request.response.detail;
                    reject(new Error(detail || (request.status === 413 ? "The file is larger than this server takes." : "The file was not taken; reload the page and try again.")));
                }
            });
            request.addEventListener("error", () => reject(new Error("The connection broke; nothing was imported.")));
            request.send(body);
        });
    }

    function follow(job) {
        return new Promise((resolve) => {
            const source = new EventSource(`${form.dataset.page}/${job.id}/events`);
            source.addEventListener("progress", (event) => {
                const now = JSON.parse(event.data);
                say(`${now.status}: ${now.done} of ${now.of} records`);
            });
            source.addEventListener("end", () => {
                source.close();
                resolve();
            });
        });
    }

    async function work(isTrial) {
        const file = input.files[0];
        if (file && file.size > Number(form.dataset.limit)) {
            say("The file is larger than this server takes (MAX_UPLOAD_MB).", true);
            return;
        }
        form.querySelectorAll("button").forEach((button) => { button.disabled = true; });
        sent.hidden = false;
        say("Sending and reading …");
        try {
            const job = await send(isTrial);
            if (!isTrial) {
                window.location.assign(`${form.dataset.page}/${job.id}`);
                return;
            }
            await follow(job);
            const answer = await fetch(`${form.dataset.page}/${job.id}?preview`);
            const page = new DOMParser().parseFromString(await answer.text(), "text/html");
            preview.replaceChildren(...page.body.children);
            say("Nothing has been changed so far.");
            really.disabled = false;
        } catch (error) {
            say(error.message, true);
        } finally {
            sent.hidden = true;
            document.getElementById("try").disabled = false;
        }
    }

    form.addEventListener("submit", (event) => {
        event.preventDefault();
        work(true);
    });
    really.addEventListener("click", () => {
        if (form.reportValidity()) {
            work(false);
        }
    });
})();
