import { createHash } from 'node:crypto';
import type { Bus, History, OrgWatch, PromptEntry } from '@sluice/bus';
import { refusedByRules, withoutIdle } from '@sluice/core';
import type { EngineRules } from '@sluice/core';
import { beside, checkNotDeleted, createGeneration, repeatGeneration } from '@sluice/lifecycle';
import type { Created, KnownCard, Room } from '@sluice/lifecycle';
import { RESERVED_PREFIX, SluiceError } from '@sluice/protocol';
import type { GenerationKey, Limits, OnAbandon, Org, PromptBody, SessionKey } from '@sluice/protocol';
import type { Clock } from '@sluice/runtime';
import { canonicalJson } from './canonical-json.ts';
import { onlyModel } from './model-choice.ts';
import type { ModelDirectory } from './model-directory.ts';
import { modelMissing } from './missing-model.ts';
import type { StorageGate } from './storage-gate.ts';

export type AdmissionDeps = {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly models: ModelDirectory;
  /** what is set for orgs */
  readonly orgs: Pick<OrgWatch, 'of'>;
  readonly defaultModel: string | undefined;
  /** what sessions and orgs may still store */
  readonly room: Room;
  readonly storage: Pick<StorageGate, 'admit'>;
  readonly limits: Pick<Limits, 'maxPromptBytes' | 'maxFrameBytes'>;
  /** what engines may be asked */
  readonly rules: EngineRules;
  /** a new generation was stored */
  readonly onPrompted: (key: GenerationKey, model: string, at: number) => void;
};

export type Submission = {
  readonly key: GenerationKey;
  readonly user: string;
  readonly body: PromptBody;
  /** where the body says nothing of it; not a part of what makes two prompts the same */
  readonly onAbandon?: OnAbandon;
  /** the past that it continues, where that is not the one of now */
  readonly history?: History | undefined;
  readonly traceparent?: string | undefined;
  /** stored with the prompt, and a part of what makes two of them the same */
  readonly note?: object | undefined;
};

/**
 * Starts a generation, or finds it: the id is the client's, and what was stored under it first decides.
 * Prompt, item and job are written in this order; a crash in between heals when the prompt is repeated.
 * @returns whether this call created it, and its item
 * @throws SluiceError bad_frame, conflict, session_deleted, forbidden, too_large, unavailable, quota_exceeded,
 *   rate_limited; BusUnavailableError
 */
export const admit = async (submission: Submission, deps: AdmissionDeps): Promise<Created> => {
  const { key, user, note, traceparent } = submission;
  const { bus, clock } = deps;
  const body = plainBody(submission.body, deps.rules);
  checkWritable(key);
  const hash = hashOf({ ...body, note });
  const refused = deps.room.refusal(key, { kind: 'generation', user, bytes: 1 + (body.input?.length ?? 0) });
  if (refused !== undefined) return repeatOrRefuse({ key, hash, refused }, deps);
  const newestRev = shared(() => bus.sessions.newestRev(key));
  const look = beside(deps.room.look(key, newestRev));
  // The past is that of now, whatever the checks below wait for.
  const [known, history, card] = await Promise.all([
    bus.sessions.prompt(key),
    submission.history ?? historyOf(body, key, { bus, newestRev }),
    checkNotDeleted(bus, key),
  ]);
  if (known !== undefined) {
    await repeatGeneration(bus, key, known, hash);
    return { created: false };
  }
  checkRules(body, deps.rules);
  const { maxPromptBytes } = deps.limits;
  const promptBytes = checkSize('prompt', body, maxPromptBytes);
  const noteBytes = note === undefined ? 0 : checkSize('request', note, maxPromptBytes);
  await deps.storage.admit(promptBytes + noteBytes);
  const model = await chooseModel(body, key, deps);
  const { onAbandon = submission.onAbandon, ...rest } = body;
  const asked = { ...rest, model, ...(onAbandon === undefined ? {} : { onAbandon }) };
  const entry = {
    ...{ hash, user, createdAt: clock.now(), body: asked },
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(note === undefined ? {} : { note }),
    ...(history === undefined ? {} : { history }),
  };
  // A past that was named says nothing of what there is now.
  const now = submission.history === undefined ? history : undefined;
  const looks = { room: look, card: card ?? newCard(entry, now) };
  const outcome = await createGeneration(deps, key, entry, looks);
  if (outcome.created) deps.onPrompted(key, model, entry.createdAt);
  return outcome;
};

/** Without its trace, and parameters that ask for nothing: two prompts which mean the same are the same. */
const plainBody = (
  { params, traceparent: _traceparent, ...body }: PromptBody,
  rules: EngineRules,
): PromptBody => (params === undefined ? body : { ...body, params: withoutIdle(params, rules.params) });

/** The same for whatever door a prompt came by. @throws SluiceError bad_frame */
const checkRules = (body: PromptBody, rules: EngineRules): void => {
  const refused = refusedByRules(body, rules);
  if (refused !== undefined) throw new SluiceError('bad_frame', refused);
};

type Refused = { readonly key: GenerationKey; readonly hash: string; readonly refused: SluiceError };

/** Whoever goes on asking at a limit costs one read: a repeat of what was stored is answered all the same. */
const repeatOrRefuse = async (
  { key, hash, refused }: Refused,
  { bus, clock }: AdmissionDeps,
): Promise<Created> => {
  const known = await bus.sessions.prompt(key);
  if (known === undefined) return refuseLate(refused, clock);
  await repeatGeneration(bus, key, known, hash);
  return { created: false };
};

/** Whoever was refused a moment ago and was told when to come back is told again only after this long, ms. */
const LATE_MS = 200;

/** Asking in a loop shall cost others little. @throws the refusal */
export const refuseLate = async (refused: SluiceError, clock: Clock): Promise<never> => {
  await new Promise<void>((resolve) => clock.setTimeout(resolve, LATE_MS));
  throw refused;
};

/** A text of just the largest size passes, with what is around it, bytes. */
export const ENVELOPE_BYTES = 64 * 1024;
/** Of a session that had no items yet. */
const newCard = (
  { user, createdAt }: Pick<PromptEntry, 'user' | 'createdAt'>,
  now: History | undefined,
): KnownCard | undefined =>
  now?.rev === 0 ? { rev: 0, card: { user, createdAt, activeAt: createdAt } } : undefined;

/** A read that several ask for and one makes. */
const shared = <Result>(read: () => Promise<Result>): (() => Promise<Result>) => {
  let reading: Promise<Result> | undefined;
  return () => (reading ??= read());
};

/** What a prompt that continues its session counts of it: all that whoever sent it can have seen, and no more. */
const historyOf = async (
  { messages, history }: PromptBody,
  key: SessionKey,
  { bus, newestRev }: { readonly bus: Bus; readonly newestRev: () => Promise<number> },
): Promise<History | undefined> => {
  if (messages !== undefined && history === undefined) return undefined;
  const [rev, log] = await Promise.all([newestRev(), bus.tokens.newest(key)]);
  return { rev, log };
};

/**
 * A number may be longer once it is encoded again, so what came as a small frame can exceed this by far.
 * @returns encoded bytes
 */
export const checkSize = (what: string, body: object, most: number): number => {
  const bytes = Buffer.byteLength(JSON.stringify(body));
  if (bytes > most + ENVELOPE_BYTES)
    throw new SluiceError('too_large', `${what}: expected at most ${most} bytes, got ${bytes}`);
  return bytes;
};

/** @throws SluiceError forbidden for the system's own sessions */
export const checkWritable = ({ session }: SessionKey): void => {
  if (session.startsWith(RESERVED_PREFIX))
    throw new SluiceError('forbidden', `sessions that begin with ${RESERVED_PREFIX} are the system's own`);
};

const chooseModel = async (
  { model }: PromptBody,
  { org }: SessionKey,
  deps: AdmissionDeps,
): Promise<string> => {
  const { models: allowed } = deps.orgs.of(org);
  const isAllowed = (name: string): boolean => allowed?.includes(name) !== false;
  // The default of all is none for an org that may not use it.
  const wanted = model ?? [deps.defaultModel].find((name) => name !== undefined && isAllowed(name));
  if (wanted !== undefined && !isAllowed(wanted))
    throw new SluiceError('forbidden', 'this org may not use this model');
  const offered = (list: readonly string[]): string | undefined =>
    wanted === undefined ? onlyModel(list.filter(isAllowed)) : list.find((name) => name === wanted);
  const found = offered(await deps.models.models()) ?? offered(await deps.models.modelsNow());
  if (found !== undefined) return found;
  if (wanted !== undefined && deps.models.mayWait(wanted)) return wanted;
  const there = offeredTo(org, await deps.models.models(), deps);
  throw modelMissing(model, { there, models: deps.models });
};

/** Those of these models that an org may use. */
export const offeredTo = (
  org: Org,
  models: readonly string[],
  { orgs }: Pick<AdmissionDeps, 'orgs'>,
): readonly string[] => {
  const { models: allowed } = orgs.of(org);
  return models.filter((name) => allowed?.includes(name) !== false);
};

/** Independent of the order of fields, so that any client that means the same sends the same. */
const hashOf = (body: PromptBody & { readonly note?: object | undefined }): string =>
  createHash('sha256').update(canonicalJson(body)).digest('hex');
