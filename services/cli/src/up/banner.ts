import { stderrColours as pc } from '../terminal/colours.ts';
import type { System } from './system.ts';

/** What a person does next. */
/** @param fragment of the link, which signs in */
export const banner = ({ urls, admin, nats, hasWeb }: System, fragment: string): string => {
  const [url = ''] = urls;
  const rows: readonly (readonly [string, string])[] = [
    hasWeb ? ['Open', pc.cyan(pc.underline(`${url}/#${fragment}`))] : ['Edge', pc.cyan(url)],
    ...urls.slice(1).map((more) => ['', pc.cyan(more)] as const),
    ['Admin', pc.cyan(`${admin}/metrics`)],
    ['NATS', pc.cyan(nats)],
    [
      'Chat',
      `${pc.bold('npx sluice chat')}  ${pc.dim('in another terminal; needs no flags while this runs')}`,
    ],
    ['Check', pc.bold('npx sluice doctor')],
    ['Stop', 'Ctrl-C'],
  ];
  const lines = rows.map(([name, text]) => `  ${pc.dim(name.padEnd(6))} ${text}`);
  return `\n  ${pc.bold(pc.green('Sluice is up.'))}\n\n${lines.join('\n')}\n\n`;
};
