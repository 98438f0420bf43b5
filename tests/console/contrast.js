// Text that is hard to read against what is behind it (WCAG 2.2, 1.4.3), with how much they differ. The colours are
// read off a canvas, which knows every way to write one; axe leaves those out that are mixed.
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

function read(colour) {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return { red, green, blue, alpha: alpha / 255 };
}

function lay(above, below) {
    const mix = (name) => above[name] * above.alpha + below[name] * (1 - above.alpha);
    return { red: mix("red"), green: mix("green"), blue: mix("blue"), alpha: 1 };
}

function behind(element) {
    const own = read(getComputedStyle(element).backgroundColor);
    if (own.alpha === 1) return own;
    const below = element.parentElement ? behind(element.parentElement) : read("white");
    return lay(own, below);
}

function luminance(colour) {
    const [red, green, blue] = [colour.red, colour.green, colour.blue].map((value) => {
        const share = value / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function opacity(element) {
    return element ? Number(getComputedStyle(element).opacity) * opacity(element.parentElement) : 1;
}

const faint = [];
document.querySelectorAll("body *").forEach((element) => {
    const text = [...element.childNodes].filter((each) => each.nodeType === 3).map((each) => each.data.trim()).join("");
    if (!text || !element.checkVisibility({ visibilityProperty: true }) || element.closest(":disabled")) return;
    const style = getComputedStyle(element);
    const ground = behind(element);
    const ink = read(style.color);
    ink.alpha *= opacity(element);
    const lights = [luminance(lay(ink, ground)), luminance(ground)].sort((one, other) => other - one);
    const contrast = (lights[0] + 0.05) / (lights[1] + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (contrast < (isLarge ? 3 : 4.5)) faint.push(`${contrast.toFixed(2)} ${text.slice(0, 40)}`);
});
return [...new Set(faint)];
