// What holds for every view, looked up in the page itself. Each function returns what is wrong, in words.
(() => {
  const seen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const name = (element) => {
    const id = element.closest("[id]")?.id ?? "";
    return `${element.tagName.toLowerCase()}${element.className?.baseVal ?? `.${element.className}`} in #${id}`;
  };

  // Any colour that CSS can write, as red, green, blue from 0 to 255 and alpha from 0 to 1.
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  function rgba(colour) {
    if (!known.has(colour)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
      known.set(colour, [red, green, blue, alpha / 255]);
    }
    return known.get(colour);
  }

  const over = (top, below) => {
    const alpha = top[3];
    return [0, 1, 2].map((i) => alpha * top[i] + (1 - alpha) * below[i]).concat(1);
  };

  // https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
  function contrast(one, other) {
    const luminance = ([red, green, blue]) => {
      const [r, g, b] = [red, green, blue].map((value) => {
        const share = value / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  }

  // What an element paints behind what lies above it.
  function background(element) {
    const style = getComputedStyle(element);
    if (!(element instanceof SVGElement)) return rgba(style.backgroundColor);
    return ["rect", "circle", "path"].includes(element.tagName) && style.fill !== "none" ? rgba(style.fill) : [0, 0, 0, 0];
  }

  // The colour below a point, as far down as the page goes, seen from `element`.
  function below(element, x, y) {
    const stack = document.elementsFromPoint(x, y);
    const from = stack.indexOf(element);
    if (from < 0) return null;
    const canvasColour = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18, 1] : [255, 255, 255, 1];
    return stack.slice(from).reverse().reduce((colour, one) => over(background(one), colour), canvasColour);
  }

  function opacity(element) {
    let all = 1;
    for (let one = element; one; one = one.parentElement) all *= Number(getComputedStyle(one).opacity);
    return all;
  }

  const AA = { large: 3, small: 4.5 };

  function check(element, colour, style, rect, text, wrong) {
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    for (const share of [0.1, 0.5, 0.9]) {
      const behind = below(element, rect.left + share * rect.width, rect.top + rect.height / 2);
      if (!behind) continue;
      const ink = rgba(colour);
      const ratio = contrast(over([...ink.slice(0, 3), ink[3] * opacity(element)], behind), behind);
      if (ratio >= AA[large ? "large" : "small"]) continue;
      wrong.push(`“${text.slice(0, 30)}” has a contrast of ${ratio.toFixed(2)} (${name(element)})`);
      return;
    }
  }

  // All text that is seen; what is switched off need not be readable.
  function lowContrast() {
    const wrong = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const text = walk.currentNode.textContent.trim();
      const element = walk.currentNode.parentElement;
      if (!text || !seen(element) || element.closest(":disabled, noscript, .busy")) continue;
      const range = document.createRange();
      range.selectNodeContents(walk.currentNode);
      const rect = range.getClientRects()[0];
      if (!rect?.width) continue;
      const style = getComputedStyle(element);
      check(element, element instanceof SVGElement ? style.fill : style.color, style, rect, text, wrong);
    }
    for (const field of document.querySelectorAll("input, textarea, select")) {
      if (!seen(field) || field.disabled) continue;
      const rect = field.getBoundingClientRect();
      const pseudo = field.value ? null : "::placeholder";
      const style = getComputedStyle(field, pseudo);
      check(field, style.color, style, rect, field.value || field.placeholder || "", wrong);
    }
    return [...new Set(wrong)];
  }

  // Down one level at a time, and one of the first level.
  function headings() {
    const wrong = [];
    const all = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter(seen);
    let before = 0;
    for (const heading of all) {
      const level = Number(heading.tagName[1]);
      if (level > before + 1) wrong.push(`“${heading.textContent}” of level ${level} after one of level ${before}`);
      if (!heading.textContent.trim()) wrong.push(`an empty heading (${name(heading)})`);
      before = level;
    }
    if (all.filter(({ tagName }) => tagName === "H1").length !== 1) wrong.push("not one h1");
    return wrong;
  }

  // https://www.w3.org/TR/WCAG22/#target-size-minimum; what stands in a line of text is exempt.
  function smallTargets() {
    const all = document.querySelectorAll("a[href], button, input, select, textarea, summary, [role=tab]");
    return [...all].filter((one) => seen(one) && !one.closest(".skip, p > a")).flatMap((one) => {
      const { width, height } = one.getBoundingClientRect();
      return width < 24 || height < 24 ? [`${name(one)} is ${width.toFixed()} × ${height.toFixed()}`] : [];
    });
  }

  // Nothing may be wider than the window, but for what is moved sideways by itself.
  function tooWide() {
    const { clientWidth, scrollWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const inside = (element) => {
      for (let one = element.parentElement; one; one = one.parentElement)
        if (["auto", "scroll", "hidden"].includes(getComputedStyle(one).overflowX)) return true;
      return false;
    };
    const all = [...document.querySelectorAll("body *")].filter((one) => seen(one) && !inside(one));
    const wide = all.filter((one) => one.getBoundingClientRect().right > clientWidth + 0.5).map(name);
    return [`${scrollWidth} pixels wide in a window of ${clientWidth}`, ...wide.slice(0, 10)];
  }

  // What moves sideways by itself must not move up and down by a pixel or two.
  function barelyScrolling() {
    return [...document.querySelectorAll("body *")].filter(seen).flatMap((one) => {
      const beyond = one.scrollHeight - one.clientHeight;
      const scrolls = ["auto", "scroll"].includes(getComputedStyle(one).overflowY);
      return scrolls && beyond > 0 && beyond < 8 ? [`${name(one)} scrolls by ${beyond} pixels`] : [];
    });
  }

  // Names that refer to others must find them, and no two elements may have the same.
  function references() {
    const wrong = [];
    const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
    wrong.push(...ids.filter((id, i) => ids.indexOf(id) !== i).map((id) => `two have the id ${id}`));
    for (const attribute of ["for", "aria-labelledby", "aria-describedby", "aria-controls", "aria-activedescendant"]) {
      for (const element of document.querySelectorAll(`[${attribute}]`)) {
        const missing = element.getAttribute(attribute).split(/\s+/).filter((id) => id && !document.getElementById(id));
        wrong.push(...missing.map((id) => `${attribute}="${id}" of ${name(element)} finds nothing`));
      }
    }
    for (const selector of ["html[lang]", "title", "meta[name=viewport]", "meta[name=description]", "main"]) {
      if (!document.querySelector(selector)) wrong.push(`no ${selector}`);
    }
    return wrong;
  }

  async function deadLinks() {
    const links = [...document.querySelectorAll("a[href]")].filter(({ hash }) => !hash);
    const answers = await Promise.all(links.map(async ({ href }) => [href, (await fetch(href)).status]));
    return answers.filter(([, status]) => status !== 200).map(([href, status]) => `${href} answers ${status}`);
  }

  return { lowContrast, headings, smallTargets, tooWide, barelyScrolling, references, deadLinks };
})()
