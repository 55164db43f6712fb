"use strict";
(() => {
  const data = (id) => JSON.parse(document.getElementById(id).textContent);
  const page = data("page-data");
  const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");

  // Colours: figures are written in the light palette; where dark is preferred each is replaced by its counterpart.
  const coloured = (value) => {
    if (!prefersDark.matches) return value;
    if (typeof value === "string") return page.dark[value] || value;
    if (Array.isArray(value)) return value.map(coloured);
    if (value && typeof value === "object" && !ArrayBuffer.isView(value)) {
      if ("bdata" in value) return value;
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item)]));
    }
    return value;
  };

  const narrow = () => window.innerWidth < 620;
  const fitted = (figure) => {
    const layout = figure.layout;
    layout.autosize = true;
    if (narrow()) {
      layout.margin = { ...layout.margin, l: 8, r: 8 };
      layout.legend = { ...layout.legend, font: { size: 10 } };
      if (layout.ternary) {  // names of corners stand beside it, and the scale below
        layout.margin = { ...layout.margin, l: 64, r: 64, b: 120 };
        const bars = figure.data.filter((trace) => trace.marker && trace.marker.colorbar);
        bars.forEach(({ marker }) => Object.assign(marker.colorbar, { orientation: "h", x: 0.5, y: -0.55, len: 1, thickness: 10 }));
      }
    }
    return figure;
  };

  const shown = new Map();
  const draw = (name) => {
    const place = document.getElementById(`plot-${name}`);
    const variant = shown.get(name) || place.dataset.first;
    const figure = fitted(coloured(data(`figure-${name}-${variant}`)));
    if (name === "ternary") chosenTriple(figure);
    const options = { responsive: true, displayModeBar: false, scrollZoom: false };
    return Plotly.react(place, figure.data, figure.layout, options).then(() => {
      place.dataset.drawn = "yes";
      place.querySelectorAll("svg").forEach((svg) => svg.setAttribute("aria-hidden", "true"));
    });
  };
  const redraw = () => document.querySelectorAll(".plot[data-drawn]").forEach((place) => draw(place.dataset.name));
  const plots = [...document.querySelectorAll(".plot")];
  const watcher = new IntersectionObserver(
    (entries) => entries.forEach((entry) => {
      if (!entry.isIntersecting) return;
      watcher.unobserve(entry.target);
      draw(entry.target.dataset.name);
    }),
    { rootMargin: "350px 0px" },
  );
  plots.forEach((place) => watcher.observe(place));
  prefersDark.addEventListener("change", redraw);
  window.addEventListener("beforeprint", () => plots.forEach((place) => draw(place.dataset.name)));

  document.querySelectorAll("select[data-variant-of]").forEach((select) => {
    select.addEventListener("change", () => {
      shown.set(select.dataset.variantOf, select.value);
      draw(select.dataset.variantOf);
    });
  });

  // The simplex of any three domains, worked out here from the weights of the trials.
  const triple = [...document.querySelectorAll("select[data-corner]")];
  const among = (weights, at) => {
    const total = at.reduce((sum, domain) => sum + weights[domain], 0);
    return { total, shares: at.map((domain) => (total > 0 ? weights[domain] / total : 1 / 3)) };
  };
  function chosenTriple(figure) {
    const at = triple.map((select) => Number(select.value));
    if (at.length !== 3) return;
    const rows = page.trials.map((weights) => among(weights, at));
    const [trials, ...marks] = figure.data;
    Object.assign(trials, ...["a", "b", "c"].map((side, place) => ({ [side]: rows.map((row) => row.shares[place]) })));
    trials.marker.size = rows.map((row) => 5 + 7 * Math.sqrt(row.total));
    marks.forEach((mark, number) => {
      const row = among(page.mixtures[number].weights, at);
      ["a", "b", "c"].forEach((side, place) => { mark[side] = [row.shares[place]]; });
    });
    ["aaxis", "baxis", "caxis"].forEach((side, place) => {
      figure.layout.ternary[side].title.text = page.labels[at[place]];
    });
  }
  triple.forEach((select) => select.addEventListener("change", () => draw("ternary")));

  // What if: the compressed model, see bomix/report/what_if.py for the same in Python.
  if (!page.what) return;
  const numbers = (text) => {
    const [kind, packed] = text.split(":");
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    return Float64Array.from(new (kind === "f4" ? Float32Array : Float64Array)(bytes.buffer));
  };
  const model = Object.fromEntries(
    Object.entries(page.what).map(([key, value]) => [key, typeof value === "string" ? numbers(value) : value]),
  );
  const { n, d, k } = model;
  const roots = Float64Array.from(model.points, (weight) => Math.max(0, weight) ** 0.25);
  const matern = (distance) => {
    const scaled = Math.sqrt(5) * distance;
    return (1 + scaled + (scaled * scaled) / 3) * Math.exp(-scaled);
  };
  const near = (root, scales, offset, length) => {
    const found = new Float64Array(n);
    for (let row = 0; row < n; row += 1) {
      let sum = 0;
      for (let domain = 0; domain < d; domain += 1) {
        const gap = (root[domain] - roots[row * d + domain]) * (scales ? scales[offset + domain] : 1);
        sum += gap * gap;
      }
      found[row] = matern(Math.sqrt(sum) / length);
    }
    return found;
  };
  const dot = (first, second, offset) => {
    let sum = 0;
    for (let at = 0; at < n; at += 1) sum += first[at] * second[offset + at];
    return sum;
  };
  const predict = (weights) => {
    const root = weights.map((weight) => Math.max(0, weight) ** 0.25);
    const mean = [];
    for (let output = 0; output < k; output += 1) {
      let value = dot(near(root, model.scales, output * d, model.lengths[output]), model.kernel, output * n);
      for (let domain = 0; domain < d; domain += 1) {
        const w = Math.max(0, weights[domain]);
        const basis = [w, Math.sqrt(w), Math.log(w + 0.001), Math.log(w + 0.01), Math.log(w + 0.1)];
        basis.forEach((each, place) => { value += each * model.linear[(output * d + domain) * 5 + place]; });
      }
      mean.push(value + model.level[output]);
    }
    if (model.coefficients) mean[0] = model.coefficients.reduce((sum, factor, at) => sum + factor * mean[at + 1], 0);
    const shared = near(root, null, 0, model.spread_length);
    const spread = Array.from({ length: 2 * k }, (_, at) => Math.exp(dot(shared, model.spread, at * n) + model.spread_level[at]));
    return mean.map((value, at) => ({
      mean: value,
      half: page.z * Math.hypot(spread[at], model.error[at]),
      change: value - page.reference[at],
      changeHalf: page.z * Math.hypot(spread[k + at], model.error[at]),
    }));
  };
  window.bomixPredict = predict;

  const inputs = page.labels.map((_, at) => document.getElementById(`w${at}`));  // in the order of the domains
  const outputs = inputs.map((input) => document.getElementById(`${input.id}-share`));
  const rows = [...document.querySelectorAll("tr[data-output]")];
  const digits = (value) => (Math.abs(value) >= 1000 ? value.toPrecision(5) : value.toFixed(3));
  const signed = (value) => `${value < 0 ? "−" : "+"}${digits(Math.abs(value))}`;
  const minus = (value) => digits(value).replace("-", "−");
  let raw = page.mixtures[0].weights.slice();
  const show = () => {
    const total = raw.reduce((sum, weight) => sum + weight, 0);
    const weights = raw.map((weight) => (total > 0 ? weight / total : 1 / d));
    weights.forEach((weight, at) => { outputs[at].textContent = `${(100 * weight).toFixed(1)} %`; });
    // Of the mixtures of the buttons the surrogate's own numbers are there, and the table above shows them too.
    const named = page.mixtures.findIndex((mixture) => mixture.weights.every((weight, at) => Math.abs(weight - weights[at]) < 1e-9));
    const found = named < 0 ? predict(weights) : page.exact[named].mean.map((mean, at) => ({
      mean,
      half: page.z * page.exact[named].sd[at],
      change: page.exact[named].change[at],
      changeHalf: page.z * page.exact[named].change_sd[at],
    }));
    rows.forEach((row, at) => {
      const { mean, half, change, changeHalf } = found[at];
      const cells = row.querySelectorAll("td");
      const inside = (value) => Math.min(page.limits[at][1] ?? Infinity, Math.max(page.limits[at][0] ?? -Infinity, value));
      cells[0].textContent = minus(inside(mean));
      cells[1].textContent = `${minus(inside(mean - half))} to ${minus(inside(mean + half))}`;
      cells[2].textContent = signed(change);
      const sure = Math.abs(change) > changeHalf;
      const gain = change * page.signs[at] < 0;
      cells[2].className = sure ? (gain ? "better" : "worse") : "open";
      cells[3].textContent = sure ? (gain ? "better" : "worse") : "open";
    });
    const farthest = Math.min(...page.trials.map((trial) => Math.hypot(...trial.map((w, at) => Math.sqrt(Math.max(0, w)) - Math.sqrt(weights[at])))));
    document.getElementById("what-far").hidden = farthest <= page.typical;
    tell(forbidden(weights));
  };
  // What the space forbids: constraints by their names, then weights out of their bounds, of many the first few.
  const outside = (value, low, high) => value < (low ?? -Infinity) - page.allowed.tolerance || value > (high ?? Infinity) + page.allowed.tolerance;
  const forbidden = (weights) => {
    const { constraints, lower, upper, least } = page.allowed;
    const sum = (terms) => terms.reduce((total, [at, factor]) => total + factor * weights[at], 0);
    const said = constraints.filter(({ terms, low, high }) => outside(sum(terms), low, high)).map(({ says }) => says);
    const share = (value) => `${Number((100 * value).toFixed(2))} %`;
    weights.forEach((weight, at) => {
      const name = page.labels[at];
      if (outside(weight, null, upper[at])) said.push(`${name} at most ${share(upper[at])}`);
      else if (outside(weight, lower[at], null)) said.push(`${name} at least ${share(lower[at])}`);
      else if (weight > page.allowed.tolerance && outside(weight, least[at], null)) said.push(`${name} zero or at least ${share(least[at])}`);
    });
    return said;
  };
  const notAllowed = document.getElementById("what-not");
  const tell = (said) => {
    const more = said.length > 4 ? ` and ${said.length - 4} more` : "";
    notAllowed.textContent = said.length ? `Not allowed: ${said.slice(0, 4).join("; ")}${more}.` : "";
    notAllowed.hidden = said.length === 0;
  };
  const set = (weights) => {
    raw = weights.slice();
    inputs.forEach((input, at) => { input.value = String(Math.round(1000 * raw[at])); });
    show();
  };
  inputs.forEach((input, at) => input.addEventListener("input", () => {
    // The others keep their proportions and share what is left.
    const wanted = Number(input.value) / 1000;
    const rest = raw.reduce((sum, weight, other) => sum + (other === at ? 0 : weight), 0);
    raw = raw.map((weight, other) => {
      if (other === at) return wanted;
      return rest > 1e-9 ? (weight * (1 - wanted)) / rest : (1 - wanted) / Math.max(1, d - 1);
    });
    inputs.forEach((each, other) => { if (other !== at) each.value = String(Math.round(1000 * raw[other])); });
    show();
  }));
  document.querySelectorAll("button[data-mixture]").forEach((button) => {
    button.addEventListener("click", () => set(page.mixtures[Number(button.dataset.mixture)].weights));
  });
  set(page.mixtures[0].weights);
})();
