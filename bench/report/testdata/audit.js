// Looks at a page as it is shown, and returns what is wrong with it, as texts.
(() => {
	const problems = [];
	const root = document.documentElement;
	const width = root.clientWidth;
	const say = (what, element) => problems.push(what + ": " + (element.closest("section")?.id ?? "") + " <" + element.tagName.toLowerCase() + "> " + (element.textContent ?? "").trim().slice(0, 60));

	// Folded tables count, too.
	for (const d of document.querySelectorAll("details")) d.open = true;

	if (root.scrollWidth > width) problems.push(`the page is ${root.scrollWidth} pixels wide, the window ${width}`);
	const hidden = (e) => e.closest(".skip, thead, caption.quiet") && e.getBoundingClientRect().right < 0;
	for (const e of document.body.querySelectorAll("*")) {
		const r = e.getBoundingClientRect();
		if (r.width === 0 || hidden(e)) continue;
		const svg = e.closest("figure svg");
		if (r.right > width + 0.5 || r.left < -0.5) say("beyond the window's edge", e);
		else if (e.tagName === "text" && svg) {
			const s = svg.getBoundingClientRect();
			if (r.right > s.right + 0.5 || r.left < s.left - 0.5 || r.bottom > s.bottom + 0.5 || r.top < s.top - 0.5) say("cut off by the plot's edge", e);
		} else if (!svg && e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0 && getComputedStyle(e).display !== "inline") say("wider than its box", e);
	}

	// Contrast, as WCAG 2.2 defines it in "contrast ratio".
	const parse = (color) => {
		const m = color.match(/[\d.]+/g).map(Number);
		return { rgb: m.slice(0, 3), alpha: m.length > 3 ? m[3] : 1 };
	};
	const luminance = (rgb) => {
		const [r, g, b] = rgb.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const contrast = (a, b) => {
		const [hi, lo] = [luminance(a), luminance(b)].sort((x, y) => y - x);
		return (hi + 0.05) / (lo + 0.05);
	};
	// In the dark, plots are inverted, and then their hues turned back (the
	// matrix of hue-rotate in Filter Effects, at 180 degrees).
	const page = parse(getComputedStyle(document.body).backgroundColor).rgb;
	const dark = luminance(page) < 0.5;
	const shown = (rgb) => {
		if (!dark) return rgb;
		const [r, g, b] = rgb.map((v) => 255 - v);
		return [[-0.574, 1.43, 0.144], [0.426, 0.43, 0.144], [0.426, 1.43, -0.856]].map(([x, y, z]) => Math.min(255, Math.max(0, x * r + y * g + z * b)));
	};
	// What is filled in a plot may be behind its texts.
	const areas = new Map();
	for (const svg of document.querySelectorAll("figure svg")) {
		const all = [];
		for (const path of svg.querySelectorAll("path")) {
			const fill = getComputedStyle(path).fill;
			const box = path.getBoundingClientRect();
			if (fill !== "none" && box.width > 12) all.push({ path, box, rgb: shown(parse(fill).rgb) });
		}
		areas.set(svg, all);
	}
	// backgrounds returns the colours that are behind an element.
	const backgrounds = (e) => {
		const found = [];
		const svg = e.closest("figure svg");
		if (svg && e !== svg) {
			const r = e.getBoundingClientRect(), x = (r.left + r.right) / 2, y = (r.top + r.bottom) / 2;
			for (const { path, box, rgb } of areas.get(svg)) {
				const before = path.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING;
				if (before && box.left <= x && x <= box.right && box.top <= y && y <= box.bottom) found.push(rgb);
			}
			if (found.length > 0) return found.slice(-1);
		}
		for (let at = e; at; at = at.parentElement) {
			const c = parse(getComputedStyle(at).backgroundColor);
			if (c.alpha === 1) return [c.rgb];
		}
		return [[255, 255, 255]];
	};
	let texts = 0, least = 99;
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let node; (node = walker.nextNode()); ) {
		const e = node.parentElement;
		if (!node.data.trim() || e.tagName === "STYLE" || e.getBoundingClientRect().width === 0) continue;
		texts++;
		const style = getComputedStyle(e);
		const color = e.namespaceURI.endsWith("svg") ? shown(parse(style.fill).rgb) : parse(style.color).rgb;
		for (const background of backgrounds(e)) {
			const ratio = contrast(color, background);
			least = Math.min(least, ratio);
			if (ratio < 4.5) say(`contrast of ${ratio.toFixed(2)}`, e);
		}
	}
	// Lines and glyphs need 3 against the page (success criterion 1.4.11).
	for (const glyph of document.querySelectorAll(".key svg *")) {
		const style = getComputedStyle(glyph);
		const colour = style.fill === "none" ? style.stroke : style.fill;
		if (glyph.tagName !== "path" || colour === "none") continue;
		const ratio = contrast(shown(parse(colour).rgb), page);
		if (ratio < 3) say(`contrast of ${ratio.toFixed(2)}`, glyph);
	}
	if (texts < 200) problems.push(`there are ${texts} texts only`);
	return { problems: problems.slice(0, 20), texts, least, dark, height: root.scrollHeight };
})()
