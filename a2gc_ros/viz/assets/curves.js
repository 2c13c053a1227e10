// Lines with bands: precision over recall, recall over answers, a path before and after.
views.curves = (host, spec) => {
  const box = make("div"), tools = make("div", {class: "tools"});
  host.append(tools, box);
  const hidden = new Set();
  const palette = ["accent", "right", "held", "wrong", "missed", "refused"];
  const colourOf = (n) => colors[spec.curves[n].color || palette[n % palette.length]];
  const xs = spec.curves.flatMap((curve) => curve.x), ys = spec.curves.flatMap((curve) => [...curve.y, ...(curve.low || []), ...(curve.high || [])]);
  const chart = plane(box, {
    label: spec.label, x: spec.x_range || extent(xs, 0.03), y: spec.y_range || extent(ys, 0.05), equal: spec.equal, xLabel: spec.x,
    yLabel: spec.y, height: (w) => Math.min(spec.equal ? 560 : 380, Math.max(240, w * 0.6)),
    ...(spec.x_ticks ? {xValues: (v) => spec.x_ticks[v] ?? ""} : {}),
    draw(u, m) {
      const c = u.ctx;
      spec.curves.forEach((curve, n) => {
        if (hidden.has(n)) return;
        c.strokeStyle = c.fillStyle = colourOf(n);
        if (curve.low) {
          c.globalAlpha = 0.18;
          c.beginPath();
          curve.x.forEach((x, i) => i ? c.lineTo(m.x(x), m.y(curve.high[i])) : c.moveTo(m.x(x), m.y(curve.high[i])));
          for (let i = curve.x.length - 1; i >= 0; i--) c.lineTo(m.x(curve.x[i]), m.y(curve.low[i]));
          c.fill();
          c.globalAlpha = 1;
        }
        c.lineWidth = (curve.width || 2) * m.ratio;
        c.lineJoin = "round";
        c.beginPath();
        if (curve.segments) {
          for (let i = 0; i + 1 < curve.x.length; i += 2) {
            c.moveTo(m.x(curve.x[i]), m.y(curve.y[i]));
            c.lineTo(m.x(curve.x[i + 1]), m.y(curve.y[i + 1]));
          }
        } else if (!curve.only_marks) {
          curve.x.forEach((x, i) => i ? c.lineTo(m.x(x), m.y(curve.y[i])) : c.moveTo(m.x(x), m.y(curve.y[i])));
        }
        c.stroke();
        if (curve.marks || curve.only_marks) {
          c.beginPath();
          curve.x.forEach((x, i) => {
            c.moveTo(m.x(x) + 4 * m.ratio, m.y(curve.y[i]));
            c.arc(m.x(x), m.y(curve.y[i]), (curve.only_marks ? 6 : 3.5) * m.ratio, 0, 6.3);
          });
          c.fill();
        }
      });
    },
  });
  spec.curves.forEach((curve, n) => {
    const line = svg("svg", {width: 22, height: 10, "aria-hidden": "true"});
    const stroke = svg("line", {x1: 0, x2: 22, y1: 5, y2: 5, "stroke-width": 3});
    line.append(stroke);
    const tint = () => stroke.setAttribute("stroke", colourOf(n));
    tint();
    onRedraw(tint);
    const label = checkbox(curve.name, "", true, (on) => { on ? hidden.delete(n) : hidden.add(n); chart.paint(); });
    label.insertBefore(line, label.lastChild);
    tools.append(label);
  });
  tools.append(...zoomTools(chart, spec.file || "curves"));
};

/** Queries with their answers beside what would have been right. */
views.queries = (host, spec) => {
  const list = make("ol", {class: "queries"});
  host.append(list, addInParts(spec.rows, 10, 10, (row) => {
    const item = make("li", {tabindex: "0"});
    for (const cell of row) {
      item.append(make("figure", {class: cell.right == null ? "" : cell.right ? "good" : "bad"}, picture(cell.picture, cell.caption),
        make("figcaption", {}, make("b", {}, cell.what), make("br"), cell.caption)));
    }
    list.append(item);
  }));
};
