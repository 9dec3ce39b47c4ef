import { useEffect, useState } from 'react';
import { edgeUrl } from '../address.ts';
import type { WebConnection } from '../link/web-connection.ts';
import { useStore } from '../use-store.ts';

const KEY = 'sluice.model';

const namesIn = (body: unknown): readonly string[] => {
  const { data } = (body ?? {}) as { readonly data?: unknown };
  if (!Array.isArray(data)) return [];
  return data
    .map((model: unknown) => (model as { readonly id?: unknown } | null)?.id)
    .filter((id) => typeof id === 'string');
};

/** What live workers offer; none when the edge cannot be asked, and then it chooses. */
const fetchModels = async (token: string, signal: AbortSignal): Promise<readonly string[]> => {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(new URL('/v1/models', edgeUrl()), { headers, signal });
  return answer.ok ? namesIn(await answer.json()) : [];
};

export type ModelChoice = {
  readonly models: readonly string[];
  /** undefined: the edge chooses */
  readonly model: string | undefined;
  readonly choose: (model: string | undefined) => void;
};

/** The models there are, asked for anew with each connection, and which of them this browser prefers. */
export const useModels = ({ link, keeper }: WebConnection): ModelChoice => {
  const isLive = useStore(link, ({ status }) => status.type === 'live');
  const [models, setModels] = useState<readonly string[]>([]);
  const [wanted, setWanted] = useState(() => localStorage.getItem(KEY) ?? undefined);
  useEffect(() => {
    if (!isLive) return undefined;
    const asking = new AbortController();
    fetchModels(keeper.current, asking.signal).then(setModels, () => {
      // The list is a convenience: without it the edge's own choice is used.
    });
    return () => asking.abort();
  }, [isLive, keeper]);
  const choose = (model: string | undefined): void => {
    if (model === undefined) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, model);
    setWanted(model);
  };
  return { models, model: models.find((name) => name === wanted), choose };
};
