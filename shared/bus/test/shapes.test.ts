/** Type and schema of each message say the same: a field that only one of them knows does not compile here. */
import { expect, test } from '@jest/globals';
import type {
  CancelReply,
  ControlMessage,
  PresenceMessage,
  OrgSettings,
  RunState,
  StatsReport,
  TokenRecord,
} from '@sluice/protocol';
import type * as schemas from '@sluice/protocol/schema';
import type { ItemBody, Job, PromptEntry, StatsAsk, WorkerBeat, WorkerInfo } from '../src/index.ts';

type Schemas = typeof schemas;
type Says<Name extends keyof Schemas> = Schemas[Name] extends {
  safeParse(value: unknown): infer Result;
}
  ? Extract<Result, { success: true }> extends { data: infer Value }
    ? Value
    : never
  : never;

/** The same type, with intersections written out and everything readonly. */
type Plain<Type> = Type extends string | number | boolean | null | undefined
  ? Type
  : Type extends readonly (infer Each)[]
    ? readonly Plain<Each>[]
    : Type extends object
      ? { readonly [Field in keyof Type]: Plain<Type[Field]> }
      : Type;

type Is<One, Other> =
  (<Any>() => Any extends Plain<One> ? 1 : 2) extends <Any>() => Any extends Plain<Other> ? 1 : 2
    ? true
    : false;

/** One entry a kind of message: it compiles where type and schema are the same. */
type Same = {
  readonly beat: Is<Says<'workerBeatSchema'>, WorkerBeat>;
  readonly cancelReply: Is<Says<'cancelReplySchema'>, CancelReply>;
  readonly control: Is<Says<'controlMessageSchema'>, ControlMessage>;
  readonly directoryEntry: Is<Says<'workerInfoSchema'>, WorkerInfo>;
  readonly item: Is<Says<'storedItemSchema'>, ItemBody>;
  readonly job: Is<Says<'jobSchema'>, Job>;
  readonly orgSettings: Is<Says<'orgSettingsSchema'>, OrgSettings>;
  readonly writtenOrgSettings: Is<Says<'writtenOrgSettingsSchema'>, OrgSettings>;
  readonly presence: Is<Says<'presenceMessageSchema'>, PresenceMessage>;
  readonly prompt: Is<Omit<Says<'promptEntrySchema'>, 'note'>, Omit<PromptEntry, 'note'>>;
  readonly record: Is<Says<'tokenRecordSchema'>, TokenRecord>;
  readonly report: Is<Says<'statsReportSchema'>, StatsReport>;
  readonly state: Is<Says<'runStateSchema'>['state'], RunState>;
  readonly statsAsk: Is<Says<'statsAskSchema'>, StatsAsk>;
};

const SAME: Same = {
  beat: true,
  cancelReply: true,
  control: true,
  directoryEntry: true,
  item: true,
  job: true,
  orgSettings: true,
  writtenOrgSettings: true,
  presence: true,
  prompt: true,
  record: true,
  report: true,
  state: true,
  statsAsk: true,
};

test('type and schema of every message are the same, and a difference would be noticed', () => {
  const differs: Is<Says<'jobSchema'>, Job & { readonly more?: string }> = false;
  expect(Object.values(SAME)).not.toContain(differs);
});
