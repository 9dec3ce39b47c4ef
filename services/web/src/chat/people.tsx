import type { Person } from '../session/roster.ts';

const HUES = [178, 24, 262, 340, 210, 142, 46, 300];

/** A colour that stays with a name. */
const hueOf = (user: string): number => {
  let hash = 0;
  for (const character of user) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return HUES[hash % HUES.length] ?? 178;
};

export const Avatar = ({ user }: { readonly user: string }) => (
  <span className={`avatar hue-${hueOf(user)}`} aria-hidden="true">
    {(user.match(/[\p{L}\p{N}]/u)?.[0] ?? '?').toUpperCase()}
  </span>
);

/** A name in a text where no element can keep its direction to itself. */
const isolated = (name: string): string => `\u2068${name}\u2069`;

const MAX_SHOWN = 4;

type Props = {
  readonly me: string;
  readonly people: readonly Person[];
  /** viewers in all, tabs counted one by one */
  readonly viewers: number;
};

/** Who is here. One person in two tabs is one person. */
export const People = ({ me, people, viewers }: Props) => {
  const others = people.filter(({ user }) => user !== me);
  const names = ['you', ...others.map(({ user }) => isolated(user))];
  const label = `Here: ${names.join(', ')}${viewers > names.length ? ` (${viewers} tabs)` : ''}`;
  return (
    <div className="people" role="img" aria-label={label} title={label}>
      <Avatar user={me} />
      {others.slice(0, MAX_SHOWN).map(({ user }) => (
        <Avatar key={user} user={user} />
      ))}
      {others.length > MAX_SHOWN && <span className="avatar more">+{others.length - MAX_SHOWN}</span>}
      {viewers > 1 && <span className="tabs">{viewers}</span>}
    </div>
  );
};
