import { StreamMismatchError, openStreamAdmin } from '@sluice/bus';
import type { StreamAdmin, StreamPlan } from '@sluice/bus';
import { findNats } from '../nats-target.ts';
import type { NatsFlags } from '../nats-target.ts';
import { stdoutColours as pc } from '../terminal/colours.ts';

export type ApplyFlags = NatsFlags & { readonly check?: true; readonly dryRun?: true };

/** What came of one stream, and whether it is as it should be. */
type Result = {
  readonly word: string;
  readonly stream: string;
  readonly detail: string;
  readonly isGood: boolean;
};

const differencesOf = (plan: StreamPlan): string =>
  'differences' in plan ? plan.differences.join('; ') : '';

const blocked = (plan: StreamPlan, why: string): Result => ({
  word: 'blocked',
  stream: plan.stream,
  detail: [differencesOf(plan), why].filter(Boolean).join('. '),
  isGood: false,
});

const WOULD = { as_declared: 'ok', missing: 'missing', changeable: 'differs' } as const;
const DID = { as_declared: 'ok', missing: 'made', changeable: 'changed' } as const;

const lookedAt = (plan: StreamPlan, isCheck: boolean): Result =>
  plan.type === 'unchangeable'
    ? blocked(plan, plan.remedy)
    : {
        word: WOULD[plan.type],
        stream: plan.stream,
        detail: differencesOf(plan),
        isGood: !isCheck || plan.type === 'as_declared',
      };

const applied = async (admin: StreamAdmin, plan: StreamPlan): Promise<Result> => {
  if (plan.type === 'unchangeable') return blocked(plan, plan.remedy);
  try {
    await admin.apply(plan);
    return { word: DID[plan.type], stream: plan.stream, detail: differencesOf(plan), isGood: true };
  } catch (error) {
    // The other streams do not depend on this one.
    if (error instanceof StreamMismatchError) return blocked(plan, error.message);
    throw error;
  }
};

const COLOURS: Readonly<Record<string, (text: string) => string>> = { ok: pc.dim, blocked: pc.red };

const lineOf = ({ word, stream, detail }: Result): string =>
  `${(COLOURS[word] ?? pc.green)(word.padEnd(8))} ${stream}${detail === '' ? '' : `: ${detail}`}\n`;

/** Makes every stream as it is declared, or says what that would change. Exit code 1 as the command's help says. */
export const applyStreams = async ({ check, dryRun, ...flags }: ApplyFlags): Promise<void> => {
  const admin = await openStreamAdmin(findNats(flags, 'sluice-streams'));
  try {
    let isGood = true;
    for (const plan of await admin.plans()) {
      const isLook = check === true || dryRun === true;
      const result = isLook ? lookedAt(plan, check === true) : await applied(admin, plan);
      process.stdout.write(lineOf(result));
      isGood &&= result.isGood;
    }
    if (!isGood) process.exitCode = 1;
  } finally {
    await admin.close();
  }
};
