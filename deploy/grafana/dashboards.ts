import type { Dashboard, Panel } from './panels.ts';

const [COLUMNS, WIDTH, HEIGHT] = [24, 6, 8];
const SOURCE = { type: 'prometheus', uid: '${datasource}' };

type Place = { readonly x: number; readonly y: number };

const panelOf = ({ title, help, unit, queries }: Panel, { x, y }: Place, id: number): object => ({
  id,
  title,
  description: help,
  type: 'timeseries',
  datasource: SOURCE,
  gridPos: { h: HEIGHT, w: WIDTH, x, y },
  fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
  options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
  targets: queries.map(({ expr, legend = '__auto' }, n) => ({
    refId: String.fromCharCode('A'.charCodeAt(0) + n),
    datasource: SOURCE,
    expr,
    legendFormat: legend,
  })),
});

/** The dashboard as Grafana (10 or newer) imports it; its source of data is chosen at the top of the page. */
export const grafanaOf = ({ uid, title, rows }: Dashboard): object => {
  const panels: object[] = [];
  let y = 0;
  for (const row of rows) {
    const gridPos = { h: 1, w: COLUMNS, x: 0, y };
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title: row.title,
      collapsed: false,
      gridPos,
      panels: [],
    });
    for (const [n, panel] of row.panels.entries())
      panels.push(panelOf(panel, { x: (n * WIDTH) % COLUMNS, y: y + 1 }, panels.length + 1));
    y += 1 + HEIGHT;
  }
  return {
    uid,
    title,
    tags: ['sluice'],
    schemaVersion: 39,
    editable: true,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [{ name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus' }],
    },
    panels,
  };
};
