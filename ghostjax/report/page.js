// Draws the charts of a page in its own colours: those of the style sheet, light, dark or on paper.
const charts = [];
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const config = {
  responsive: true, displayModeBar: false, displaylogo: false, scrollZoom: false,
  // Nothing leaves the page: no button and no address that a chart could be sent to.
  showLink: false, showSendToCloud: false, showEditInChartStudio: false, sendData: false, plotlyServerURL: '',
};

function colours(layout) {
  const set = {
    'font.color': colour('--ink'), 'hoverlabel.bgcolor': colour('--paper'), 'hoverlabel.font.color': colour('--ink'),
    'hoverlabel.bordercolor': colour('--line'),
  };
  for (const axis of Object.keys(layout).filter(key => /^[xy]axis\d*$/.test(key))) {
    set[`${axis}.gridcolor`] = set[`${axis}.zerolinecolor`] = set[`${axis}.linecolor`] = colour('--line');
  }
  return set;
}

function draw(id, figure) {
  const element = document.getElementById(id);
  // A finger scrolls the page; a mouse zooms into the chart.
  if (matchMedia('(pointer: coarse)').matches) figure.layout.dragmode = false;
  // A phone has no room for a bar of colours beside the chart: it goes below.
  if (element.clientWidth < 520) {
    for (const trace of figure.data.filter(trace => trace.colorbar)) {
      Object.assign(trace.colorbar, {orientation: 'h', yref: 'container', y: 0.02, yanchor: 'bottom', thickness: 10});
      figure.layout.margin = Object.assign(figure.layout.margin, {b: 110});
      // What the colours mean is said at the axis, where it has room.
      const meaning = trace.colorbar.title && trace.colorbar.title.text;
      if (meaning) figure.layout.xaxis.title.text += ` (colour: ${meaning})`;
      delete trace.colorbar.title;
    }
  }
  charts.push(element);
  Plotly.newPlot(element, figure.data, figure.layout, config).then(() => Plotly.relayout(element, colours(element.layout)));
}

function recolour() { for (const chart of charts) Plotly.relayout(chart, colours(chart.layout)); }

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', recolour);
addEventListener('beforeprint', () => {
  for (const chart of charts) Plotly.relayout(chart, {...colours(chart.layout), width: 640});
});
addEventListener('afterprint', () => {
  for (const chart of charts) Plotly.relayout(chart, {...colours(chart.layout), width: null, autosize: true});
});
