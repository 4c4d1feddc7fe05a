// Works out pages with other inputs: what package bench's Model.Page does, and
// what of its analysis depends on the inputs. A test holds both against each other.
"use strict";

// page returns what a page takes, with the inputs m, given what the requests take
// that read the session, write it, and do not use it; and of an engine with a near
// cache, those that find it there.
function page(m, [read, write, untouched, hit]) {
	if (hit) [read, write] = nearCache(m, read, write, hit);
	const writes = 1 / (1 + m.reads_per_write);
	const reads = m.session_requests - writes;
	const sum = (name) => reads * read[name] + writes * write[name] +
		(m.requests_per_page - m.session_requests) * untouched[name];
	const p = { server: sum("cpu"), queries: sum("queries"), wait: sum("wait"), down: sum("down") };
	p.database = p.queries * m.round_trip_ns / 1e9;
	const cookie = (1 - writes) * read.up + writes * write.up;
	// A larger cookie than that is not remembered by a connection: bench.HeaderRoom.
	const whole = m.http1 || cookie > 3000;
	p.up = whole ? m.requests_per_page * cookie : cookie + m.requests_per_page - 1;
	p.wire = p.up * 8 / (m.uplink_mbit_s * 1e6) + p.down * 8 / (m.downlink_mbit_s * 1e6);
	p.price = 1e6 * (p.server / 3600 * m.price_cpu_hour + p.down / 1e9 * m.price_gb_out + p.queries / 1e6 * m.price_million_queries);
	p.seconds = p.server + p.wait + p.database + p.wire;
	return p;
}

// nearCache returns what requests take on average that read the session and that
// write it: Model.NearCache.
function nearCache(m, read, write, hit) {
	const less = (load) => {
		const l = { ...load };
		for (const name of ["cpu", "wait", "queries"]) l[name] = Math.max(0, load[name] - m.cache_hits * (read[name] - hit[name]));
		return l;
	};
	return [less(read), less(write)];
}

// legal returns the inputs so that they are ones that Model.Check has nothing
// against: those that no site can have are replaced by the nearest that one can.
function legal(m) {
	const within = (v, lo, hi) => Math.min(Math.max(v, lo), hi);
	return {
		...m,
		round_trip_ns: within(Math.round(m.round_trip_ns), 0, 1e12),
		uplink_mbit_s: within(m.uplink_mbit_s, 0.001, 1e6),
		downlink_mbit_s: within(m.downlink_mbit_s, 0.001, 1e6),
		reads_per_write: within(m.reads_per_write, 0, 1e9),
		requests_per_page: within(Math.round(m.requests_per_page), 1, 1e6),
		session_requests: within(Math.round(m.session_requests), 1, within(Math.round(m.requests_per_page), 1, 1e6)),
		cache_hits: within(m.cache_hits, 0, 1),
		price_cpu_hour: within(m.price_cpu_hour, 0, 1e6),
		price_gb_out: within(m.price_gb_out, 0, 1e6),
		price_million_queries: within(m.price_million_queries, 0, 1e6),
	};
}

// reach returns how far a value's interval reaches to each side: so many standard
// deviations of its draws.
function reach(draws, deviations) {
	const mean = draws.reduce((a, b) => a + b, 0) / draws.length;
	return deviations * Math.sqrt(draws.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (draws.length - 1));
}

const around = (value, draws, deviations) => [value - reach(draws, deviations), value + reach(draws, deviations)];

// pagesOf returns a session's pages with the inputs m, one for each engine that
// can carry it: the page, and its seconds in each draw, with the waiting as it was
// measured and as it is when the database is quiet.
function pagesOf(m, session) {
	return session.engines.map((e) => {
		const drawn = (wait) => e.draws[0].cpu.map((_, d) => page(m, e.loads.map((l, k) => ({
			...l, cpu: e.draws[k].cpu[d], wait: e.draws[k][wait]?.[d] ?? 0,
		}))));
		const quiet = e.loads.map((l) => ({ ...l, wait: l.quiet_wait }));
		return { engine: e.engine, page: page(m, e.loads), quiet: page(m, quiet), draws: drawn("wait"), quietDraws: drawn("quiet_wait") };
	});
}

// outcome compares a session's pages: whether one engine is ahead, or several are
// equal, or open, and which are the best; both with the waiting as it was measured
// and with a quiet database.
function outcome(m, session, deviations) {
	const judge = (which, draws) => {
		const pages = pagesOf(m, session);
		const first = pages.reduce((a, b) => (b[which].seconds < a[which].seconds ? b : a));
		const best = [first.engine], leads = [];
		let open = false;
		for (const p of pages) {
			if (p === first) continue;
			const lead = p[which].seconds - first[which].seconds;
			const [lo, hi] = around(lead, p[draws].map((q, d) => q.seconds - first[draws][d].seconds), deviations);
			const least = Math.max(1e-6, 0.02 * Math.max(p.page.server, first.page.server));
			const equal = lo > -least && hi < least;
			if (equal || lo <= 0) best.push(p.engine);
			open ||= !equal && lo <= 0;
			leads.push(lead);
		}
		return { kind: best.length === 1 ? "ahead" : open ? "open" : "equal", best, lead: Math.min(...leads) };
	};
	const found = judge("page", "draws"), quiet = judge("quiet", "quietDraws");
	found.depends = found.kind !== quiet.kind || found.kind === "ahead" && found.best[0] !== quiet.best[0];
	return found;
}

// leads returns the engines whose pages are complete first, by the round trip to
// the database: each from a round trip in seconds on, the first from 0.
function leads(m, session, deviations) {
	const near = { ...m, round_trip_ns: 0 };
	const pages = pagesOf(near, session);
	let lead = pages.reduce((a, b) => (b.page.seconds < a.page.seconds ? b : a));
	const found = [{ engine: lead.engine, from: 0 }];
	for (;;) {
		let next = null, from = Infinity;
		for (const p of pages) {
			const fewer = lead.page.queries - p.page.queries;
			const at = (p.page.seconds - lead.page.seconds) / fewer;
			if (fewer > 0 && at < from) [next, from] = [p, at];
		}
		if (!next) return found;
		const roots = next.draws.map((q, d) => (q.seconds - lead.draws[d].seconds) / (lead.draws[d].queries - q.queries));
		const [lo, hi] = around(from, roots, deviations);
		found.push({ engine: next.engine, from, lo, hi });
		lead = next;
	}
}

// digits formats a number with three digits, and all those before the point; with
// fewer, where so many are beyond its interval's reach.
function digits(v, reach = 0) {
	if (v === 0) return "0";
	const last = Math.max(Math.floor(Math.log10(Math.abs(v))) - 2, reach > 0 ? Math.floor(Math.log10(reach)) - 1 : -9);
	return v.toFixed(Math.min(Math.max(-last, 0), 6));
}

// number formats one without an interval.
const number = (v) => String(Number(digits(v)));

// list joins names as prose does, and only counts those that are too many.
function list(names, most = 3) {
	const some = names.length > most + 1 ? [...names.slice(0, most), `${names.length - most} more`] : names;
	return some.length < 2 ? some.join("") : some.slice(0, -1).join(", ") + " and " + some.at(-1);
}

// told says what an outcome is, in words.
function told({ kind, best, depends }) {
	if (depends) return "it depends on how busy the database is";
	switch (kind) {
		case "ahead": return `${best[0]} is ahead`;
		case "equal": return `${list(best)} are equal`;
	}
	return `${list(best)} are too close to call`;
}

// The part for the page's reader. The inputs are those of the run until a slider is
// moved, or the page's address says otherwise.
const data = JSON.parse(document.getElementById("model-data").textContent);
let inputs = { ...data.inputs };

const element = (id) => document.getElementById(id);
const valueOf = (d, m) => Number((m[d.field] / d.factor).toPrecision(12));

// fragment returns the inputs that are not the run's, as the page's address has them.
function fragment() {
	const changed = data.dials.filter((d) => inputs[d.field] !== data.inputs[d.field]).map((d) => `${d.name}=${valueOf(d, inputs)}`);
	if (inputs.http1 !== data.inputs.http1) changed.push(`http1=${inputs.http1}`);
	return changed.join("&");
}

// readFragment sets the inputs to what the page's address says.
function readFragment() {
	const given = new URLSearchParams(location.hash.slice(1)), m = { ...data.inputs };
	for (const d of data.dials) {
		const v = parseFloat(given.get(d.name));
		if (Number.isFinite(v)) m[d.field] = v * d.factor;
	}
	if (given.has("http1")) m.http1 = given.get("http1") === "true";
	inputs = legal(m);
}

// flags returns the inputs that are not the run's as flags of the command.
function flags() {
	const changed = data.dials.filter((d) => inputs[d.field] !== data.inputs[d.field]).map((d) => {
		const v = valueOf(d, inputs);
		return `-${d.name} ${d.name === "rtt" ? v + "ms" : v}`;
	});
	if (inputs.http1 !== data.inputs.http1) changed.push(`-http1=${inputs.http1}`);
	return changed.join(" ");
}

// showDials puts the sliders where the inputs are.
function showDials() {
	for (const d of data.dials) {
		const slider = element("dial-" + d.name), v = valueOf(d, inputs);
		if (!d.values.includes(v)) d.values = [...d.values, v].sort((a, b) => a - b);
		slider.max = d.values.length - 1;
		slider.value = d.values.indexOf(v);
		const text = d.unit === "$" ? `$${v}` : `${v} ${d.unit}`.trim();
		slider.setAttribute("aria-valuetext", text);
		element("value-" + d.name).textContent = text;
	}
	element("dial-http1").checked = inputs.http1;
}

// showPages works everything out again, and shows it.
function showPages() {
	const answers = new Map();
	data.sessions.forEach((session, i) => {
		const o = outcome(inputs, session, data.deviations);
		const answer = told(o);
		answers.set(answer, [...(answers.get(answer) ?? []), session.session]);
		element(`told-${i}`).textContent = answer + (o.kind === "ahead" && o.lead < Infinity && !o.depends ? ` by ${number(1000 * o.lead)} ms` : "");
		element(`turns-${i}`).textContent = leads(inputs, session, data.deviations).slice(1).map((l) =>
			`Equal when the database is ${number(1000 * l.from)} ms away (${number(1000 * l.lo)} to ${number(1000 * l.hi)}); beyond, ${l.engine} is ahead.`).join(" ");
		const pages = pagesOf(inputs, session), most = Math.max(...pages.map((p) => p.page.seconds));
		pages.forEach((p, k) => {
			const either = 1000 * reach(p.draws.map((q) => q.seconds), data.deviations);
			element(`ms-${i}-${k}`).textContent = digits(1000 * p.page.seconds, either);
			element(`reach-${i}-${k}`).textContent = either > 0 ? "±" + Number(either.toPrecision(2)) : "";
			element(`bar-${i}-${k}`).style.width = `${100 * p.page.seconds / most}%`;
			element(`price-${i}-${k}`).textContent = number(p.page.price);
		});
	});
	element("answer").textContent = [...answers].map(([answer, sessions]) => `${answer} for ${list(sessions)}`).join("; ") + ".";
	element("flags").textContent = flags() || "none: these are the run's inputs";
}

function show() {
	showDials();
	showPages();
}

for (const d of data.dials) {
	element("dial-" + d.name).addEventListener("input", (e) => {
		inputs = legal({ ...inputs, [d.field]: d.values[e.target.value] * d.factor });
		show();
	});
}
element("dial-http1").addEventListener("input", (e) => {
	inputs = { ...inputs, http1: e.target.checked };
	show();
});
// The address changes when a slider is let go: browsers slow down pages that change it all the time.
element("dials").addEventListener("change", () => history.replaceState(null, "", "#" + (fragment() || "try")));
element("dials").addEventListener("reset", (e) => {
	e.preventDefault();
	inputs = { ...data.inputs };
	history.replaceState(null, "", "#try");
	show();
});
addEventListener("hashchange", () => {
	if (!location.hash.includes("=")) return; // a link to a section
	readFragment();
	show();
});
readFragment();
show();
element("try").hidden = false;
