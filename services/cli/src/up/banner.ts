import { stderrColours as pc } from '../terminal/colours.ts';
import type { System } from './system.ts';

/** What a person does next. @param link that signs in */
export const banner = ({ urls, admin, nats, hasWeb }: System, link: string): string => {
  const [url = ''] = urls;
  const rows: readonly (readonly [string, string])[] = [
    hasWeb ? ['Open', pc.cyan(pc.underline(link))] : ['Edge', pc.cyan(url)],
    ...(hasWeb ? [['', pc.dim('signs in once, within 10 minutes')] as const] : []),
    ...urls.slice(1).map((more) => ['', pc.cyan(more)] as const),
    ['Admin', pc.cyan(`${admin}/metrics`)],
    ['NATS', pc.cyan(nats)],
    [
      'Chat',
      `${pc.bold('npx sluice chat')}  ${pc.dim('in another terminal; needs no flags while this runs')}`,
    ],
    ['Try', 'ask something, press “Prove it”, and cut your connection: nothing is lost'],
    ['Check', pc.bold('npx sluice doctor')],
    ['Stop', 'Ctrl-C'],
  ];
  const lines = rows.map(([name, text]) => `  ${pc.dim(name.padEnd(6))} ${text}`);
  return `\n  ${pc.bold(pc.green('Sluice is up.'))}\n\n${lines.join('\n')}\n\n`;
};
